"""A TensorRT plan on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emostream.engines.backends.tensorrt.builder import logger_of
from emostream.engines.backends.tensorrt.cuda import Cuda
from emostream.engines.backends.tensorrt.flavour import Flavour
from emostream.engines.errors import EngineError
from emostream.engines.tensors import NetworkRole

if TYPE_CHECKING:
    import tensorrt as trt

__all__ = ["LoadedPlan"]


class LoadedPlan:
    """One plan on the device, with a context for each batch size that it has run."""

    def __init__(self, cuda: Cuda, flavour: Flavour, role: NetworkRole, plan: bytes) -> None:
        """Bring a plan onto the device.

        Args:
            cuda: holds its memory, and frees it.
            flavour: that built it.
            role: the network's, for messages.
            plan: as it is on disk.

        Raises:
            EngineError: it was built by another version or for another GPU, or there is no room for it.
        """
        self._api, self._role = flavour.api, role
        self._logger = logger_of(flavour)
        try:
            runtime: trt.Runtime = self._api.Runtime(self._logger)
        except Exception as error:  # noqa: BLE001 - what it raises when its library can't start is no public class
            raise EngineError(f"{flavour} can't start: {self._logger.last_error or error}") from None
        self._runtime = runtime
        engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(
                f"{flavour} can't load the {role} plan: {self._logger.last_error}; `emostream engines clean` removes it"
            )
        self._engine = engine
        # The contexts of one network never run at once, so that they can share their scratch memory.
        self._scratch_size = engine.device_memory_size_v2
        self._scratch = cuda.memory(self._scratch_size)
        self._contexts: dict[int, Any] = {}
        cuda.before_leaving(self._free)

    def enqueue(self, count: int, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int], stream: int) -> None:
        """Put a run on `count` segments into a stream.

        Args:
            count: segments.
            shapes: of the inputs, without the batch axis.
            addresses: of inputs and output.
            stream: which.
        """
        context = self._contexts.get(count)
        if context is None:
            context = self._contexts[count] = self._context()
            for name, shape in shapes.items():
                context.set_input_shape(name, (count, *shape))
        for name, address in addresses.items():
            context.set_tensor_address(name, address)
        if not context.execute_async_v3(stream):
            raise EngineError(f"TensorRT failed in the {self._role} network: {self._logger.last_error}")

    def _free(self) -> None:
        self._contexts.clear()
        del self._engine, self._runtime

    def _context(self) -> Any:
        engine: Any = self._engine
        user_managed = self._api.ExecutionContextAllocationStrategy.USER_MANAGED
        if hasattr(self._api, "DynamicShapesKernelSpecializationStrategy"):  # TensorRT for RTX, which compiles late
            config = engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(user_managed)
            config.dynamic_shapes_kernel_specialization_strategy = (
                self._api.DynamicShapesKernelSpecializationStrategy.EAGER
            )
            context = engine.create_execution_context(config)
        else:
            context = engine.create_execution_context(user_managed)
        if context is None:
            raise EngineError(f"TensorRT can't run the {self._role} network: {self._logger.last_error}")
        context.set_device_memory(self._scratch, self._scratch_size)
        return context
