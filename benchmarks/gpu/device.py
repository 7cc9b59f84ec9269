"""The GPU that is measured, and its software: figures mean nothing without them."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch

__all__ = ["Device"]

_PACKAGES = ("torch", "triton", "onnxruntime-gpu", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-rtx-cu13")
_ASKED = {
    "driver_version": "driver",
    "clocks.sm": "multiprocessors' clock",
    "clocks.max.sm": "at most",
    "clocks.mem": "memory's clock",
    "power.limit": "power limit",
    "temperature.gpu": "temperature, °C",
}


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        name: as its maker calls it.
        capability: compute capability.
        memory_gb: of the device, GB.
        multiprocessors: how many.
        found: what NVIDIA's tool says of driver, clocks, power and temperature before the measurement; nothing is set.
        versions: of Python, CUDA, cuDNN and the packages that run networks.
    """

    name: str
    capability: str
    memory_gb: float
    multiprocessors: int
    found: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def this(cls) -> Device:
        """Look at the GPU that PyTorch takes."""
        own = torch.cuda.get_device_properties(0)
        return cls(
            name=own.name,
            capability=f"{own.major}.{own.minor}",
            memory_gb=round(own.total_memory / 1e9, 1),
            multiprocessors=own.multi_processor_count,
            found=_found(str(own.uuid)),
            versions={
                "Python": platform.python_version(),
                "CUDA of PyTorch": str(torch.version.cuda),
                "cuDNN": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
                **{name: number for name in _PACKAGES if (number := _version(name))},
            },
        )

    def rows(self) -> list[tuple[str, str]]:
        """Its description as rows of a table."""
        return [
            ("GPU", f"{self.name}, compute capability {self.capability}, {self.multiprocessors} multiprocessors"),
            ("memory", f"{self.memory_gb} GB"),
            (
                "as found",
                ", ".join(f"{name} {value}" for name, value in self.found.items()) or "nvidia-smi does not say",
            ),
            ("versions", ", ".join(f"{name} {number}" for name, number in self.versions.items())),
        ]


def _found(uuid: str) -> dict[str, str]:
    command = ["nvidia-smi", f"--id=GPU-{uuid}", f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return {name: value.strip() for name, value in zip(_ASKED.values(), said.split(","), strict=False)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
