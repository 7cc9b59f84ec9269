"""The face finder's network: depthwise-separable, anchor-free, one cell per 8, 16 and 32 pixels.

Each cell says whether a face is centred near it, and where that face's box and five points are. The design follows
YuNet (Wu, Peng and Yu 2023) and FCOS (Tian et al. 2019) in kind; sizes and code are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from emostream.engines.frontend.detectors.finder import STRIDES

__all__ = ["OUTPUTS", "FinderNetwork", "Widths", "cell_centres"]

OUTPUTS = 15  # of a cell: score, x, y, log width, log height, five points of x and y


@dataclass(frozen=True)
class Widths:
    """Channels of each stage."""

    stem: int = 8  # at stride 2
    quarter: int = 16  # at stride 4
    stages: tuple[int, int, int] = (48, 64, 96)  # at strides 8, 16, 32
    depths: tuple[int, int, int, int] = (1, 2, 2, 2)  # blocks after the one that reduces, at strides 4, 8, 16, 32
    head: int = 48


class Separable(nn.Module):
    """A depthwise convolution and a pointwise one; what comes in is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> None:
        """Build the layers."""
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[n, inputs, h, w] to [n, outputs, h / stride, w / stride]."""
        y = self.norm(self.pointwise(self.depthwise(x)))
        if self.residual:
            y = y + x
        return functional.relu(y, inplace=True)


class Head(nn.Module):
    """Score, box and points of every cell of one stride."""

    def __init__(self, channels: int) -> None:
        """Build the layers."""
        super().__init__()
        self.mix = Separable(channels, channels, kernel=3)
        self.depthwise = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels)
        self.pointwise = nn.Conv2d(channels, OUTPUTS, 1)
        nn.init.constant_(self.pointwise.bias, 0.0)  # type: ignore[arg-type]
        with torch.no_grad():
            self.pointwise.bias[0] = -4.0  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, h, w] to [n, OUTPUTS, h, w]."""
        y: Tensor = self.pointwise(self.depthwise(self.mix(x)))
        return y


class FinderNetwork(nn.Module):
    """Pixels to the three maps of `OUTPUTS` channels."""

    def __init__(self, widths: Widths | None = None) -> None:
        """Build the layers."""
        super().__init__()
        w = widths or Widths()
        self.widths = w
        self.scaled = False  # pixels come in around 0, and their scale is in the first convolution
        self.stem = nn.Conv2d(3, w.stem, 3, 2, 1)
        self.quarter = _stage(w.stem, w.quarter, w.depths[0], 3)
        self.eighth = _stage(w.quarter, w.stages[0], w.depths[1], 3)
        self.sixteenth = _stage(w.stages[0], w.stages[1], w.depths[2], 5)
        self.thirtysecond = _stage(w.stages[1], w.stages[2], w.depths[3], 5)
        self.lateral = nn.ModuleList([_pointwise(c, w.head) for c in w.stages])
        self.heads = nn.ModuleList([Head(w.head) for _ in STRIDES])

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Look at pictures.

        Args:
            pixels: float [n, 3, height, width], BGR, 0 to 255; height and width multiples of 32.

        Returns:
            For each stride, [n, OUTPUTS, height / stride, width / stride]; see `losses.decode`.
        """
        x = pixels if self.scaled else pixels * (1 / 64) - 2
        x = functional.relu(self.stem(x), inplace=True)
        c8 = self.eighth(self.quarter(x))
        c16 = self.sixteenth(c8)
        c32 = self.thirtysecond(c16)
        p32 = self.lateral[2](c32)
        p16 = self.lateral[1](c16) + functional.interpolate(p32, scale_factor=2.0, mode="nearest")
        p8 = self.lateral[0](c8) + functional.interpolate(p16, scale_factor=2.0, mode="nearest")
        return [head(functional.relu(p)) for head, p in zip(self.heads, (p8, p16, p32), strict=True)]


def cell_centres(height: int, width: int, stride: int) -> Tensor:
    """Centres of the cells of one stride, float [h, w, 2] of x and y in pixels of the input."""
    y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
    return (torch.stack([x, y], dim=-1).float() + 0.5) * stride


def _stage(inputs: int, outputs: int, depth: int, kernel: int) -> nn.Sequential:
    blocks: list[nn.Module] = [Separable(inputs, outputs, stride=2)]
    blocks += [Separable(outputs, outputs, kernel=kernel) for _ in range(depth)]
    return nn.Sequential(*blocks)


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
