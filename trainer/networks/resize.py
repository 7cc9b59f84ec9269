"""Pictures made smaller or larger inside a network's graph, as two products of matrices that every runtime has."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Resize"]


class Resize(nn.Module):
    """Bilinear to a square, half-pixel centres; on request averaged over areas to a coarser detail first.

    Attributes:
        rows: [S, H], what each row of the result takes of the picture's rows; a buffer outside the state dict.
        columns: [W, S], the same for columns.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, size: tuple[int, int], side: int, detail: tuple[int, int] | None = None) -> None:
        """Fix the sizes.

        Args:
            size: height H and width W of the pictures.
            side: S of the result.
            detail: height and width that they are averaged to in between; None for none.
        """
        super().__init__()
        height, width = detail or size
        rows, columns = _lines(height, side), _lines(width, side)
        if detail:
            rows, columns = rows @ _areas(size[0], height), columns @ _areas(size[1], width)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns.T.contiguous(), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """[..., H, W] to [..., S, S], float32."""
        return self.rows @ (pictures @ self.columns)


def _areas(length: int, fewer: int) -> Tensor:
    """Means over equal stretches, which may end within a pixel: [fewer, length]."""
    edges = torch.arange(fewer + 1, dtype=torch.float64) * length / fewer
    start, stop = edges[:-1, None], edges[1:, None]
    pixels = torch.arange(length, dtype=torch.float64)
    covered = (torch.minimum(stop, pixels + 1) - torch.maximum(start, pixels)).clamp(min=0.0)
    return (covered * fewer / length).float()


def _lines(length: int, count: int) -> Tensor:
    """Straight lines between pixels: [count, length]."""
    return functional.interpolate(torch.eye(length)[None], size=count, mode="linear", align_corners=False)[0].T
