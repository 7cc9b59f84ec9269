"""The GPU of this machine, as CUDA sees it."""

from __future__ import annotations

from dataclasses import dataclass

from engines.errors import EngineError

__all__ = ["Gpu", "find_gpu"]


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
        return f"{self.name} ({self.capability[0]}.{self.capability[1]})"


def find_gpu() -> Gpu:
    """The first GPU.

    Raises:
        EngineError: there is none, or no driver, or the packages that ask it are missing.
    """
    try:
        from cuda.core import Device
    except (ImportError, OSError):
        raise EngineError('the packages that reach the GPU are missing; `pip install "emostream[tensorrt]"`') from None
    try:
        device = Device(0)
        device.set_current()
        return Gpu(str(device.name), (int(device.compute_capability[0]), int(device.compute_capability[1])))
    except Exception as error:  # noqa: BLE001 - a missing driver, an old one and no GPU raise exceptions of their own
        raise EngineError(
            f"no NVIDIA GPU can be reached: {_first_line(error)}; install NVIDIA's driver, or take --engine openvino"
        ) from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
