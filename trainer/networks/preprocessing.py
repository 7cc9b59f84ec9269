"""What a network's graph does first: resize, take out the level, standardise by statistics of the training fold."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ClipLevel", "Resize", "SegmentLevel", "Standardise"]

_LEAST_DEVIATION = 0.1  # in nats; silence and steady tones stay small
_LEAST_CONTRAST = 8.0  # grey levels of 255; a covered camera's noise stays small


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


class SegmentLevel(nn.Module):
    """Each segment's log-Mel energies less their mean, divided by their deviation; deltas divided alike.

    The segment itself decides, so that nothing has to be remembered from one to the next. A gain, which adds the same
    to every static value, changes nothing.
    """

    def forward(self, mel: Tensor) -> Tensor:
        """[batch, 3, mel, time], static, delta, delta-delta, to the same."""
        static, deltas = mel[:, :1], mel[:, 1:]
        centred = static - static.mean((2, 3), keepdim=True)
        deviation = centred.square().mean((2, 3), keepdim=True).sqrt().clamp(min=_LEAST_DEVIATION)
        return torch.cat((centred, deltas), 1) / deviation


class ClipLevel(nn.Module):
    """Each clip's pixels less their mean over the whole clip, divided by their deviation: light and contrast go."""

    def forward(self, clip: Tensor) -> Tensor:
        """[batch, planes, frames, S, S], 0 to 255, to the same."""
        centred = clip - clip.mean((1, 2, 3, 4), keepdim=True)
        deviation = centred.square().mean((1, 2, 3, 4), keepdim=True).sqrt().clamp(min=_LEAST_CONTRAST)
        return centred / deviation


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
