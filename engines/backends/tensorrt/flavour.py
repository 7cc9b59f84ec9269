"""The two interchangeable packages of TensorRT, behind one import.

`tensorrt` builds plans on the GPU that runs them, any of NVIDIA's; its libraries come from NVIDIA's own index.
`tensorrt_rtx` comes in ordinary wheels, serves RTX GPUs, and builds plans on a machine without any.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from emostream.engines.errors import EngineError

__all__ = [
    "ComputeCapability",
    "Flavour",
    "FlavourName",
    "find_flavour",
    "refuse_gpu",
]

FlavourName = Literal["tensorrt", "tensorrt_rtx"]

ComputeCapability = tuple[int, int]
"""Generation of a GPU, such as (8, 9)."""

_OLDEST: dict[FlavourName, tuple[int, int]] = {
    "tensorrt": (10, 1),  # the first whose contexts take their scratch memory with its size
    "tensorrt_rtx": (1, 2),  # the first whose plans can be captured
}


@dataclass(frozen=True)
class Flavour:
    """One of the packages, imported.

    Attributes:
        name: of the package.
        version: of the package; plans serve no other.
        api: the module. Both have the same classes.
    """

    name: FlavourName
    version: str
    api: Any

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def ahead_of_time(self) -> bool:
        """Whether it builds plans for GPUs that aren't there."""
        return self.name == "tensorrt_rtx"

    @property
    def capabilities(self) -> tuple[ComputeCapability, ...] | None:
        """The GPUs that it serves, where it says so; None where it takes whatever GPU there is."""
        if not self.ahead_of_time:
            return None
        kinds = [kind[2:] for kind in self.api.ComputeCapability.__members__ if kind.startswith("SM")]
        return tuple(sorted((int(kind[:-1]), int(kind[-1])) for kind in kinds))


def find_flavour(*, ahead_of_time: bool = False) -> Flavour:
    """The flavour that is installed, `tensorrt` rather than `tensorrt_rtx`.

    Args:
        ahead_of_time: plans are wanted for GPUs that aren't there.

    Raises:
        EngineError: none is installed that can do it.
    """
    for name in _OLDEST:
        flavour = _imported(name)
        if flavour is not None and (flavour.ahead_of_time or not ahead_of_time):
            return flavour
    raise EngineError(
        'TensorRT is not installed; for RTX GPUs `pip install "emostream[tensorrt]"`, for others see the GPU section '
        "of the README"
        if not ahead_of_time
        else 'plans for GPUs that aren\'t there need TensorRT for RTX; `pip install "emostream[tensorrt]"`'
    )


def refuse_gpu(flavour: Flavour, capability: ComputeCapability) -> None:
    """Whether a flavour serves a GPU; asked before anything is built.

    Raises:
        EngineError: it does not.
    """
    known = flavour.capabilities
    if known is not None and capability not in known:
        dotted = ["{}.{}".format(*each) for each in (capability, *known)]
        raise EngineError(
            f"{flavour} has no plans for compute capability {dotted[0]}, only for {', '.join(dotted[1:])}; for other "
            "GPUs install tensorrt, see the GPU section of the README"
        )


def _imported(name: FlavourName) -> Flavour | None:
    try:
        module = importlib.import_module(name)
        version = str(module.__version__)
    except (ImportError, OSError, AttributeError):  # absent, without its libraries, or type stubs alone
        return None
    major, minor = (int(part) for part in version.split(".")[:2])
    return Flavour(name, version, module) if (major, minor) >= _OLDEST[name] else None
