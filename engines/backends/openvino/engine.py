"""OpenVINO on the CPU: the embedded default."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import platformdirs

from emostream.engines.backends.openvino.int8_cache import Int8Cache
from emostream.engines.bundle import Bundle
from emostream.engines.engine import FloatArray, HostEngine
from emostream.engines.errors import EngineError
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole

__all__ = ["OpenVinoEngine", "cpu_has_bf16", "openvino_core", "processor"]

Precision = Literal["auto", "fp32", "bf16", "int8"]
_log = logging.getLogger("emostream")
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine(HostEngine):
    """The networks of a bundle in OpenVINO.

    In INT8 where such networks were made and found good on this machine; else in bf16 where the processor computes in
    it, else in fp32.
    """

    name = "openvino"
    device = "CPU"

    def __init__(
        self,
        bundle: Bundle,
        precision: Precision = "auto",
        threads: int = 0,
        files: Mapping[NetworkRole, Path] | None = None,
    ) -> None:
        """Choose the arithmetic.

        Args:
            bundle: to run.
            precision: `auto` asks the processor, and the cache for INT8 networks.
            threads: of the processor; 0 takes every core.
            files: OpenVINO's own files in place of a bundle's networks, and then none of the cache.
        """
        super().__init__(bundle)
        self.precision = precision
        self._threads = threads
        self._files = files
        self._requests: dict[NetworkRole, Any] = {}

    def load(self) -> None:
        """See `Engine`. Compiled networks are kept in the user's cache, where that can be written."""
        core = openvino_core()
        capable = cpu_has_bf16()
        if self.precision == "bf16" and not capable:
            raise EngineError("this processor does not compute in bf16; take --precision fp32 or auto")
        files = dict(self._quantised() if self._files is None else self._files)
        arithmetic = self.precision if self.precision in _HINTS else "bf16" if capable else "fp32"
        self.precision = "int8" if files else arithmetic
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[arithmetic],  # of all that is no INT8
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self._threads,
            # Pinned threads wait for whatever else runs on their core, and both for the slower one.
            "ENABLE_CPU_PINNING": False,
        }
        if cache := _cache_folder():
            options["CACHE_DIR"] = str(cache)
        for role in NETWORK_ROLES:
            file = files.get(role, self.bundle.network_file(role))
            try:
                self._requests[role] = _compiled(core, file, options).create_infer_request()
            except Exception as error:  # noqa: BLE001 - C++'s exceptions become Python's of many kinds
                raise EngineError(f"OpenVINO can't load {file}: {_reason(error)}") from None

    def _quantised(self) -> Mapping[NetworkRole, Path]:
        """The INT8 networks to run, where such are asked for, or there are good ones and nothing else is asked for."""
        if self.precision not in ("auto", "int8"):
            return {}
        found, reason = Int8Cache().find(self.bundle.sha256)
        if found is None:
            if self.precision == "int8":
                raise EngineError(
                    f"no INT8 networks of this bundle can be taken: {reason}; `emostream engines build --engine "
                    "openvino --precision int8 --recordings FOLDER` makes them"
                )
            return {}
        report = found.report
        refused = report.refused
        if report.processor != processor():
            refused = f"they were measured on another processor, {report.processor}"
        if self.precision == "auto" and refused:
            _log.info("the INT8 networks of this bundle are not taken: %s", refused)
            return {}
        _log.info("networks in INT8, measured %.1f times as fast as in %s", report.speed, report.before)
        return found.files

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


def _compiled(core: Any, file: Path, options: Mapping[str, Any]) -> Any:
    """Compile a network with OpenVINO's cache, or without it where the cache fails.

    OpenVINO doesn't lock its cache, so processes that fill it at once disturb each other.
    """
    try:
        return core.compile_model(str(file), "CPU", options)
    except Exception:
        if "CACHE_DIR" not in options:
            raise
        uncached = {name: value for name, value in options.items() if name != "CACHE_DIR"}
        return core.compile_model(str(file), "CPU", uncached)


def cpu_has_bf16() -> bool:
    """Whether this processor computes in bf16, as OpenVINO sees it."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def processor() -> str:
    """The processor's name, as OpenVINO has it."""
    return str(openvino_core().get_property("CPU", "FULL_DEVICE_NAME"))


def openvino_core() -> Any:
    """OpenVINO, without its telemetry."""
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


def _reason(error: Exception) -> str:
    """The line that says what is wrong: the last one, where OpenVINO begins with the places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if lines[0].startswith("Exception from ") else lines[0]
