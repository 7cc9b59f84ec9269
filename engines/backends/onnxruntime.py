"""ONNX Runtime in fp32: the portable reference that other engines are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engines.backends.base import FloatArray, HostEngine
from engines.bundle import NETWORK_ROLES, Bundle, NetworkRole
from engines.errors import EngineError

__all__ = ["OnnxRuntimeEngine", "open_session"]


class OnnxRuntimeEngine(HostEngine):
    """The networks of a bundle in ONNX Runtime on the CPU."""

    name = "onnxruntime"
    device = "CPU"
    precision = "fp32"

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        """Remember the bundle; `threads` = 0 takes every core."""
        super().__init__(bundle)
        self._threads = threads
        self._sessions: dict[NetworkRole, Any] = {}

    def load(self) -> None:
        """See `Engine`."""
        for role in NETWORK_ROLES:
            model = self.model(role)
            try:
                self._sessions[role] = open_session(model, self._threads)
            except Exception as error:  # noqa: BLE001 - its exceptions share no base but Exception
                raise EngineError(f"ONNX Runtime can't load {self.bundle.network_file(role)}: {error}") from None

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
            raise EngineError(f"ONNX Runtime failed in the {role} network: {error}") from None
        return np.asarray(result, dtype=np.float32)


def open_session(model: str | bytes, threads: int = 0) -> Any:
    """An inference session on the CPU, of a file or of a model's bytes; `threads` = 0 takes every core."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
