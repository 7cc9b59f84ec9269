"""What became of a file of initial weights, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

__all__ = ["Done", "LayerRow", "WeightReport"]

Done = Literal["taken", "inflated", "left random", "left new"]
"""What was done with a layer: weights copied, repeated along time, or left as they were made. A batch normalisation
that is left isn't random: it changes nothing yet."""


@dataclass(frozen=True)
class LayerRow:
    """One layer of the network.

    Attributes:
        layer: its name in the network.
        source: its name in the file; None when the file lacks it.
        shape: of its weight in the network.
        done: what was done.
        reason: why it was left, else empty.
    """

    layer: str
    source: str | None
    shape: tuple[int, ...]
    done: Done
    reason: str = ""


@dataclass(frozen=True, eq=False)
class WeightReport:
    """Which weights a network took from a file. As text it is a table for the terminal.

    Attributes:
        file: where they came from.
        sha256: of the file, in hexadecimal.
        form: how the file names its layers, and what had to be converted.
        rows: every layer of the network.
        unused: the file's keys that belong to no layer.
        pixel_mean: for `VideoGraph`, [planes, 1, 1, 1], 0 to 255; None when the file's form doesn't settle it. Then
            it is what the file's network was trained with, or the training fold's.
        pixel_std: for `VideoGraph`; None likewise.
    """

    file: Path
    sha256: str
    form: str
    rows: tuple[LayerRow, ...]
    unused: tuple[str, ...]
    pixel_mean: Tensor | None = None
    pixel_std: float | None = None

    def __str__(self) -> str:
        cells = [("layer", "in the file", "shape", ""), *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [f"{self.file} (sha256 {self.sha256[:12]}...; {self.form})"]
        lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        if self.pixel_mean is not None:
            means = ", ".join(f"{value:.2f}" for value in self.pixel_mean.flatten().tolist())
            lines.append(f"pixels: less ({means}), divided by {self.pixel_std:g}")
        if self.unused:
            lines.append(f"not used: {', '.join(self.unused)}")
        return "\n".join(lines)


def _cells(row: LayerRow) -> tuple[str, str, str, str]:
    done = f"{row.done}: {row.reason}" if row.reason else row.done
    return row.layer, row.source or "-", " x ".join(map(str, row.shape)), done
