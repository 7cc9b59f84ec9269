"""One FP16 graph to one TensorRT plan."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from emostream.engines.backends.tensorrt.flavour import ComputeCapability, Flavour
from emostream.engines.errors import EngineError
from emostream.engines.tensors import TensorSpec

if TYPE_CHECKING:
    import tensorrt as trt

__all__ = ["Profile", "Progress", "build_plan", "logger_of"]

_log = logging.getLogger("emostream")

Progress = Callable[[float], None]
"""Told how much of a plan is built, 0 to 1; from threads of TensorRT."""


@dataclass(frozen=True)
class Profile:
    """The batch sizes that a plan takes: 1 to `largest`, and fastest at `optimum`.

    A live stream runs one segment at a time, and more only when it has fallen behind or shares the engine.
    """

    largest: int = 16
    optimum: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.optimum <= self.largest:
            raise EngineError(f"batch sizes 1 to {self.largest} hold no optimum {self.optimum}; expected 1 or more")


def build_plan(
    flavour: Flavour,
    model: bytes,
    inputs: tuple[TensorSpec, ...],
    profile: Profile,
    capability: ComputeCapability | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Compile a network.

    Args:
        flavour: of TensorRT.
        model: the FP16 form of an ONNX network (`to_fp16`).
        inputs: what it takes.
        profile: batch sizes.
        capability: one of `flavour.capabilities`; None for a flavour that has none, and builds for the GPU that is
            there.
        progress: told how far the build is.

    Raises:
        EngineError: TensorRT can't compile it for these GPUs.
    """
    api = flavour.api
    logger = logger_of(flavour)
    try:
        builder: trt.Builder = api.Builder(logger)
    except Exception as error:  # noqa: BLE001 - pybind11 raises what it likes where there is no driver
        raise EngineError(f"{flavour} can't start: {_reason(logger, error)}") from None
    # From TensorRT 11 on every network is strongly typed, and the flag may be gone.
    typed = getattr(api.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network: trt.INetworkDefinition = builder.create_network(0 if typed is None else 1 << int(typed))
    parser: trt.OnnxParser = api.OnnxParser(network, logger)
    if not cast("bool", parser.parse(model)):
        faults = "; ".join(str(parser.get_error(at)) for at in range(parser.num_errors))
        raise EngineError(f"{flavour} can't read the network: {faults or _reason(logger)}")
    shapes: trt.IOptimizationProfile = builder.create_optimization_profile()
    for spec in inputs:
        smallest, optimum, largest = (api.Dims((size, *spec.shape)) for size in (1, profile.optimum, profile.largest))
        shapes.set_shape(spec.name, smallest, optimum, largest)
    config: trt.IBuilderConfig = builder.create_builder_config()
    config.add_optimization_profile(shapes)
    if (user_allocation := getattr(api.BuilderFlag, "REQUIRE_USER_ALLOCATION", None)) is not None:
        config.set_flag(user_allocation)  # without it, TensorRT for RTX can't be captured in a CUDA graph
    if progress is not None:
        config.progress_monitor = _monitor(api, progress)
    if capability is not None:
        _aim(config, api, capability)
    plan = cast("trt.IHostMemory | None", builder.build_serialized_network(network, config))
    if plan is None:
        raise EngineError(f"{flavour} can't compile the network: {_reason(logger)}")
    return bytes(plan)


def logger_of(flavour: Flavour) -> Any:
    """TensorRT's messages as ours: at debug level; `last_error` keeps the last error."""
    api: Any = flavour.api

    class Logger(api.ILogger):  # type: ignore[misc]
        last_error = ""

        def __init__(self) -> None:
            api.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity <= api.ILogger.Severity.ERROR:
                self.last_error = message
            if severity <= api.ILogger.Severity.WARNING:
                _log.debug("%s: %s", flavour.name, message)

    return Logger()


def _aim(config: Any, api: Any, capability: ComputeCapability) -> None:
    """Build for GPUs of one generation."""
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(api.ComputeCapability, "SM{}{}".format(*capability)), 0)


def _monitor(api: Any, progress: Progress) -> Any:
    class Monitor(api.IProgressMonitor):  # type: ignore[misc]
        """Follows the outermost phase; the others are parts of its steps."""

        def __init__(self) -> None:
            api.IProgressMonitor.__init__(self)
            self._lock = threading.Lock()
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                with self._lock:
                    self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                steps = self._steps.get(phase_name)
            if steps:
                progress((step + 1) / steps)
            return True

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._steps.pop(phase_name, None)

    return Monitor()


def _reason(logger: Any, error: Exception | None = None) -> str:
    return str(logger.last_error or error or "it gives no reason; --verbose shows its messages")
