"""A GPU in host memory: streams that run only what they were made to wait for, and plans that ONNX Runtime runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from typing_extensions import Self

Work = Callable[[], None]


class FakeCuda:
    """The same methods as `Cuda`. Work runs when a stream is waited for, in its own order; another stream's work runs
    only as far as this one follows it.
    """

    current: FakeCuda

    def __init__(self) -> None:
        FakeCuda.current = self
        self.queues: dict[int, list[Work]] = {}
        self.done: dict[int, int] = {}
        self.graphs: dict[int, dict[int, list[Work]]] = {}
        self.launched = 0
        self.capturing = False
        self._handles = count(1)
        self._kept: list[object] = []
        self._freeing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._freeing.close()
        self._kept.clear()

    def use(self) -> None:
        pass

    def before_leaving(self, free: Callable[[], object]) -> None:
        self._freeing.callback(free)

    def memory(self, size: int) -> int:
        block = np.full(size + 256, 0xCD, np.uint8)
        self._kept.append(block)
        return -(-block.ctypes.data // 256) * 256

    def pinned(self, size: int) -> npt.NDArray[np.uint8]:
        return np.full(size, 0xCD, np.uint8)

    def stream(self) -> int:
        handle = next(self._handles)
        self.queues[handle], self.done[handle] = [], 0
        return handle

    def event(self) -> int:
        return next(self._handles)

    def upload(self, target: int, source: npt.NDArray[np.uint8], stream: int) -> None:
        self.queues[stream].append(lambda: ctypes.memmove(target, source.ctypes.data, source.nbytes) and None)

    def download(self, target: npt.NDArray[np.uint8], source: int, stream: int) -> None:
        self.queues[stream].append(lambda: ctypes.memmove(target.ctypes.data, source, target.nbytes) and None)

    def follow(self, stream: int, other: int, event: int) -> None:
        so_far = len(self.queues[other])
        self.queues[stream].append(lambda: self._run(other, so_far))

    def wait(self, stream: int) -> None:
        self._run(stream, len(self.queues[stream]))
        for handle, queue in self.queues.items():
            assert self.done[handle] == len(queue), "a stream was left behind"
            queue.clear()
            self.done[handle] = 0

    def graph(self, stream: int, work: Work) -> int:
        self.capturing = True
        work()
        self.capturing = False
        handle = next(self._handles)
        self.graphs[handle] = {each: list(queue) for each, queue in self.queues.items()}
        for queue in self.queues.values():
            queue.clear()
        return handle

    def launch(self, graph: int, stream: int) -> None:
        self.launched += 1
        for handle, queue in self.graphs[graph].items():
            self.queues[handle].extend(queue)

    def _run(self, stream: int, until: int) -> None:
        while self.done[stream] < until:
            self.done[stream] += 1
            self.queues[stream][self.done[stream] - 1]()


class FakeTensorRT:
    """What of TensorRT's module the engine needs; a plan is an ONNX model."""

    class ILogger:
        pass

    class ExecutionContextAllocationStrategy:
        USER_MANAGED = object()

    class Runtime:
        def __init__(self, logger: object) -> None:
            self.logger: Any = logger

        def deserialize_cuda_engine(self, plan: bytes) -> FakeEngine | None:
            if plan == b"damaged":
                self.logger.last_error = "the plan is damaged"
                return None
            return FakeEngine(plan)


class FakeEngine:
    device_memory_size_v2 = 1000

    def __init__(self, plan: bytes) -> None:
        self.session = onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"])

    def create_execution_context(self, strategy: object) -> FakeContext:
        assert strategy is FakeTensorRT.ExecutionContextAllocationStrategy.USER_MANAGED
        return FakeContext(self.session)


class FakeContext:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._memory = 0
        self._has_run = False

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory % 256 == 0
        assert size >= FakeEngine.device_memory_size_v2
        self._memory = memory

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        self._shapes[name] = shape

    def set_tensor_address(self, name: str, address: int) -> None:
        assert address % 256 == 0
        self._addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        assert self._memory
        cuda, addresses = FakeCuda.current, dict(self._addresses)
        assert self._has_run or not cuda.capturing, "a network has to run once before it is captured"
        self._has_run = True

        def work() -> None:
            feed = {
                each.name: _at(addresses[each.name], self._shapes[each.name], each.type)
                for each in self._session.get_inputs()
            }
            (output,) = self._session.get_outputs()
            (found,) = self._session.run(None, feed)
            _at(addresses[output.name], found.shape, output.type)[:] = found

        cuda.queues[stream].append(work)
        return True


def _at(address: int, shape: tuple[int, ...], kind: str) -> npt.NDArray[Any]:
    dtype = np.dtype({"tensor(float)": np.float32, "tensor(uint8)": np.uint8}[kind])
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype).reshape(shape)
