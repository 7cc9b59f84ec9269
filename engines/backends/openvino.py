"""OpenVINO on the CPU: the embedded default."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import platformdirs

from engines.backends.base import FloatArray, HostEngine
from engines.bundle import Bundle
from engines.errors import EngineError
from engines.tensors import NETWORK_ROLES, NetworkRole

__all__ = ["OpenVinoEngine", "cpu_has_bf16"]

Precision = Literal["auto", "fp32", "bf16"]
_log = logging.getLogger("emostream")
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine(HostEngine):
    """The networks of a bundle in OpenVINO; bf16 where the processor computes in it, fp32 otherwise."""

    name = "openvino"
    device = "CPU"

    def __init__(self, bundle: Bundle, precision: Precision = "auto", threads: int = 0) -> None:
        """Choose the arithmetic; `auto` asks the processor. `threads` = 0 takes every core."""
        super().__init__(bundle)
        self.precision = precision
        self._threads = threads
        self._requests: dict[NetworkRole, Any] = {}

    def load(self) -> None:
        """See `Engine`. Compiled networks are kept in the user's cache, where that can be written."""
        core = _core()
        capable = cpu_has_bf16()
        if self.precision == "bf16" and not capable:
            raise EngineError("this processor does not compute in bf16; take --precision fp32 or auto")
        if self.precision == "auto":
            self.precision = "bf16" if capable else "fp32"
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self._threads,
            # Pinned threads wait for whatever else runs on their core, and both for the slower one.
            "ENABLE_CPU_PINNING": False,
        }
        if cache := _cache_folder():
            options["CACHE_DIR"] = str(cache)
        try:
            for role in NETWORK_ROLES:
                compiled = core.compile_model(str(self.bundle.network_file(role)), "CPU", options)
                self._requests[role] = compiled.create_infer_request()
        except RuntimeError as error:
            raise EngineError(f"OpenVINO can't load {self.bundle.network_file(role)}: {_reason(error)}") from None

    def close(self) -> None:
        """See `Engine`."""
        self._requests.clear()

    def run(self, role: NetworkRole, *inputs: npt.NDArray[np.generic]) -> FloatArray:
        """See `HostEngine`."""
        try:
            result = self._requests[role].infer(dict(enumerate(inputs)), share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO failed in the {role} network: {_reason(error)}") from None
        return np.array(result[0], dtype=np.float32)


def cpu_has_bf16() -> bool:
    """Whether this processor computes in bf16, as OpenVINO sees it."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _core() -> Any:
    # `import openvino` tells Google Analytics of it and leaves ~/intel; no environment variable opts out.
    # Where openvino_telemetry can't be imported, OpenVINO takes its own stub, which does nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino.Core()


def _cache_folder() -> Path | None:
    """The folder for compiled networks; None where it can't be written."""
    folder = Path(platformdirs.user_cache_dir("emostream")) / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        _log.debug("compiled networks are not kept: %s can't be written: %s", folder, error.strerror)
        return None
    return folder


def _reason(error: RuntimeError) -> str:
    """The line that says what is wrong: the last one, where OpenVINO begins with the places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if lines[0].startswith("Exception from ") else lines[0]
