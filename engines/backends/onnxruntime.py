"""ONNX Runtime in fp32: the portable reference of the other engines, and a way to a GPU from ordinary wheels alone."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.engines.bundle import Bundle
from emostream.engines.engine import FloatArray, HostEngine
from emostream.engines.errors import EngineError
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole

__all__ = ["OnnxRuntimeEngine", "has_cuda", "open_session"]

_CUDA = "CUDAExecutionProvider"


class OnnxRuntimeEngine(HostEngine):
    """The networks of a bundle in ONNX Runtime: with CUDA where onnxruntime-gpu is installed, else on the CPU."""

    name = "onnxruntime"
    precision = "fp32"

    def __init__(self, bundle: Bundle, threads: int = 0, *, cuda: bool = True) -> None:
        """Remember the bundle.

        Args:
            bundle: to run.
            threads: of the CPU; 0 takes every core.
            cuda: whether a GPU may be taken.
        """
        super().__init__(bundle)
        self._threads = threads
        self._cuda = cuda and has_cuda()
        self.device = "GPU" if self._cuda else "CPU"
        self._sessions: dict[NetworkRole, Any] = {}

    def load(self) -> None:
        """See `Engine`."""
        for role in NETWORK_ROLES:
            model = self.model(role)
            try:
                session = open_session(model, self._threads, cuda=self._cuda)
            except Exception as error:  # noqa: BLE001 - its exceptions share no base but Exception
                raise EngineError(f"ONNX Runtime can't load {self.bundle.network_file(role)}: {_line(error)}") from None
            if self._cuda and _CUDA not in session.get_providers():
                raise EngineError(
                    "onnxruntime-gpu can't use the GPU: CUDA's or cuDNN's libraries are missing or don't fit; "
                    'install `"onnxruntime-gpu[cuda,cudnn]"`, or take --engine openvino'
                )
            self._sessions[role] = session

    def model(self, role: NetworkRole) -> str | bytes:
        """The ONNX model of one network: its file, or its bytes."""
        return str(self.bundle.network_file(role))

    def close(self) -> None:
        """See `Engine`."""
        self._sessions.clear()

    def run(self, role: NetworkRole, *inputs: npt.NDArray[np.generic]) -> FloatArray:
        """See `HostEngine`."""
        names = [spec.name for spec in self.bundle.manifest.networks[role].inputs]
        try:
            (result,) = self._sessions[role].run(None, dict(zip(names, inputs, strict=True)))
        except Exception as error:  # noqa: BLE001 - its exceptions share no base but Exception
            raise EngineError(f"ONNX Runtime failed in the {role} network: {_line(error)}") from None
        return np.asarray(result, dtype=np.float32)


def has_cuda() -> bool:
    """Whether the ONNX Runtime that is installed is the one for NVIDIA's GPUs."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):  # the wheels that bring CUDA, without which the provider may be missing
        with redirect_stdout(sys.stderr):  # it prints, and standard output may be for events
            onnxruntime.preload_dlls()
    return _CUDA in onnxruntime.get_available_providers()


def open_session(model: str | bytes, threads: int = 0, *, cuda: bool = False) -> Any:
    """An inference session of a file or of a model's bytes; `threads` = 0 takes every core of the CPU."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if cuda:
        # fp32 means fp32, and no batch size may wait for a search of algorithms.
        providers.insert(0, (_CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}))
    # Where a model can't be loaded it would print so, and try again in the same way.
    return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=int(cuda))


def _line(error: Exception) -> str:
    """What an exception says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
