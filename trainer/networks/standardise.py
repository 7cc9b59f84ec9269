"""Inputs brought to a common scale by statistics of the training fold, which travel with the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Standardise"]


class Standardise(nn.Module):
    """(x - offset) scale, element by element; where the fold showed no spread, 0.

    Attributes:
        offset: persistent buffer, any shape that broadcasts with x.
        scale: persistent buffer of the same shape.
    """

    offset: Tensor
    scale: Tensor

    def __init__(self, offset: Tensor, spread: Tensor) -> None:
        """Take the statistics.

        Args:
            offset: what becomes 0, float32, any shape that broadcasts with the input.
            spread: what becomes 1 away from it, of the same shape; 0 marks a constant element.

        Raises:
            ValueError: the shapes differ.
        """
        super().__init__()
        self.register_buffer("offset", torch.empty_like(offset, dtype=torch.float32))
        self.register_buffer("scale", torch.empty_like(offset, dtype=torch.float32))
        self.set(offset, spread)

    def set(self, offset: Tensor, spread: Tensor) -> None:
        """Replace the statistics, keeping their shape.

        Raises:
            ValueError: the shapes differ.
        """
        if offset.shape != self.offset.shape or spread.shape != self.offset.shape:
            raise ValueError(
                f"statistics have shapes {tuple(offset.shape)} and {tuple(spread.shape)}, "
                f"expected {tuple(self.offset.shape)} twice"
            )
        self.offset.copy_(offset)
        self.scale.copy_(torch.where(spread > 0, 1.0 / spread, torch.zeros_like(spread)))

    def forward(self, x: Tensor) -> Tensor:
        """Scale x, any shape that broadcasts with the statistics."""
        return (x - self.offset) * self.scale
