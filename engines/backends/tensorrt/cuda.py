"""What the GPU engine needs of CUDA's driver: memory, streams, events and graphs, all freed together."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from emostream.engines.errors import EngineError

__all__ = ["Cuda", "Gpu", "find_gpu", "is_installed"]

Bytes = npt.NDArray[np.uint8]

_REMEDY = "install NVIDIA's driver, or take --engine openvino"


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        name: as its maker calls it.
        capability: compute capability, such as (8, 9).
    """

    name: str
    capability: tuple[int, int]

    def __str__(self) -> str:
        return "{} ({}.{})".format(self.name, *self.capability)


def is_installed() -> bool:
    """Whether there is the package that reaches the GPU; it says nothing of a GPU or a driver."""
    return find_spec("cuda") is not None and find_spec("cuda.bindings") is not None


def find_gpu() -> Gpu:
    """The first GPU.

    Raises:
        EngineError: there is none, or no driver, or the package that asks it is missing.
    """
    driver = _driver()
    _check(driver, driver.cuInit(0))
    (device,) = _check(driver, driver.cuDeviceGet(0))
    (name,) = _check(driver, driver.cuDeviceGetName(100, device))
    kinds = driver.CUdevice_attribute
    major, minor = (
        int(_check(driver, driver.cuDeviceGetAttribute(kind, device))[0])
        for kind in (
            kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        )
    )
    return Gpu(name.split(b"\0")[0].decode(), (major, minor))


class Cuda:
    """The first GPU's primary context, for one thread at a time. `with` takes it; leaving frees what was made in it.

    Streams, events, graphs and device memory are integers, as TensorRT takes them.
    """

    def __enter__(self) -> Self:
        """Take the context.

        Raises:
            EngineError: there is no GPU, or it has no room.
        """
        self._api = _driver()
        with ExitStack() as stack:
            self._call(self._api.cuInit, 0)
            (device,) = self._call(self._api.cuDeviceGet, 0)
            (context,) = self._call(self._api.cuDevicePrimaryCtxRetain, device)
            stack.callback(self._api.cuDevicePrimaryCtxRelease, device)
            self._call(self._api.cuCtxSetCurrent, context)
            self._context = context
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:  # what was made last is freed first, even where the GPU has failed
            self.use()
            self._api.cuCtxSynchronize()

    def use(self) -> None:
        """Make the context the calling thread's; needed once in each thread."""
        self._call(self._api.cuCtxSetCurrent, self._context)

    def before_leaving(self, free: Callable[[], object]) -> None:
        """Call `free` before what was made earlier is freed, and after what will be made later."""
        self._stack.callback(free)

    def memory(self, size: int) -> int:
        """Device memory of `size` bytes, aligned as TensorRT wants it.

        Raises:
            EngineError: the GPU has not that much left.
        """
        (address,) = self._call(self._api.cuMemAlloc, max(size, 1))
        return int(self._owned(address, self._api.cuMemFree))

    def pinned(self, size: int) -> Bytes:
        """Host memory of `size` bytes that the GPU reads and writes by itself."""
        (address,) = self._call(self._api.cuMemAllocHost, max(size, 1))
        self._owned(address, self._api.cuMemFreeHost)
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(address)))

    def stream(self) -> int:
        """A stream that waits for no other."""
        flag = self._api.CUstream_flags.CU_STREAM_NON_BLOCKING
        return int(self._owned(self._call(self._api.cuStreamCreate, int(flag))[0], self._api.cuStreamDestroy))

    def event(self) -> int:
        """An event, to make one stream wait for another."""
        flag = self._api.CUevent_flags.CU_EVENT_DISABLE_TIMING
        return int(self._owned(self._call(self._api.cuEventCreate, int(flag))[0], self._api.cuEventDestroy))

    def upload(self, target: int, source: Bytes, stream: int) -> None:
        """Copy pinned host memory to the device, in the order of the stream."""
        self._call(self._api.cuMemcpyHtoDAsync, target, source.ctypes.data, source.nbytes, stream)

    def download(self, target: Bytes, source: int, stream: int) -> None:
        """Copy device memory to pinned host memory, in the order of the stream."""
        self._call(self._api.cuMemcpyDtoHAsync, target.ctypes.data, source, target.nbytes, stream)

    def follow(self, stream: int, other: int, event: int) -> None:
        """Let what comes next in a stream wait for what `other` has been given so far."""
        self._call(self._api.cuEventRecord, event, other)
        self._call(self._api.cuStreamWaitEvent, stream, event, 0)

    def wait(self, stream: int) -> None:
        """Wait until a stream is empty.

        Raises:
            EngineError: something in it failed.
        """
        self._call(self._api.cuStreamSynchronize, stream)

    def graph(self, stream: int, work: Callable[[], None]) -> int:
        """What `work` puts into a stream, and into others that follow it, as a graph to launch again.

        Raises:
            EngineError: the work can't be captured.
        """
        mode = self._api.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call(self._api.cuStreamBeginCapture, stream, mode)
        try:
            work()
        finally:
            # An unfinished capture would keep the stream for ever.
            error, graph = self._api.cuStreamEndCapture(stream)
        _check(self._api, (error,))
        try:
            (launchable,) = self._call(self._api.cuGraphInstantiate, graph, 0)
        finally:
            self._api.cuGraphDestroy(graph)
        return int(self._owned(launchable, self._api.cuGraphExecDestroy))

    def launch(self, graph: int, stream: int) -> None:
        """Put a graph into a stream."""
        self._call(self._api.cuGraphLaunch, graph, stream)

    def _owned(self, handle: Any, free: Callable[[Any], object]) -> Any:
        self._stack.callback(free, handle)
        return handle

    def _call(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
        return _check(self._api, function(*arguments))


def _driver() -> Any:
    try:
        from cuda.bindings import driver
    except (ImportError, OSError):
        raise EngineError('the package that reaches the GPU is missing; `pip install "emostream[tensorrt]"`') from None
    try:
        driver.cuDriverGetVersion()  # the first call looks for the library
    except Exception as error:  # what it raises is no public class
        raise EngineError(f"NVIDIA's driver is missing, or can't be loaded; {_REMEDY}") from error
    return driver


def _check(driver: Any, answer: tuple[Any, ...]) -> tuple[Any, ...]:
    error, *values = answer
    if error == driver.CUresult.CUDA_SUCCESS:
        return tuple(values)
    if error == driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
        raise EngineError("the GPU has no memory left; close what else uses it, or take a smaller --bundle")
    if error == driver.CUresult.CUDA_ERROR_NO_DEVICE:
        raise EngineError(f"no NVIDIA GPU can be reached: the driver names none; {_REMEDY}")
    _, text = driver.cuGetErrorString(error)
    raise EngineError(f"CUDA failed: {text.decode() if text else error}; --engine openvino does without a GPU")
