"""What goes into a bundle's three networks, and what comes out. Needs nothing but Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NETWORK_ROLES", "NetworkRole", "TensorSpec"]

NetworkRole = Literal["audio", "video", "fusion"]
NETWORK_ROLES: tuple[NetworkRole, ...] = ("audio", "video", "fusion")


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a network: its name, type, and shape without the leading batch axis."""

    name: str
    dtype: Literal["float32", "uint8"]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join(map(str, ('batch', *self.shape)))}]"
