"""As many values as a picture has columns: each keeps the lowest, the highest and the mean of what it stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostream.streamer.recorded.cells import SHIFT_SECONDS

__all__ = ["Band", "Bins"]

_MOST = 900

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Band:
    """Values by column, [columns] each; NaN where a column has none."""

    low: Floats
    high: Floats
    mean: Floats


class Bins:
    """Columns of equal length over a take. One column a segment where there is room for it.

    Attributes:
        count: how many there are.
        width_s: seconds that one stands for.
        places: the column of each segment, [n].
        filled: how many segments each holds, [columns].
    """

    def __init__(self, middles: npt.NDArray[np.float64], length_s: float) -> None:
        """Share `length_s` seconds out; `middles` are the segments', in seconds."""
        self.count = max(1, min(_MOST, math.ceil(length_s / SHIFT_SECONDS - 1e-6)))
        self.width_s = max(length_s, SHIFT_SECONDS) / self.count
        if self.count < _MOST:
            self.width_s = SHIFT_SECONDS
        self.places = np.clip((middles / self.width_s).astype(np.int64), 0, self.count - 1)
        self.filled = np.bincount(self.places, minlength=self.count)

    @property
    def thinned(self) -> bool:
        """Whether a column stands for more than one segment."""
        return bool(self.filled.max(initial=0) > 1)

    def band(self, values: npt.NDArray[np.float32]) -> Band:
        """Thin values [n], of which some may be NaN."""
        there = ~np.isnan(values)
        places, kept = self.places[there], values[there].astype(np.float64)
        low, high = np.full(self.count, np.inf), np.full(self.count, -np.inf)
        np.minimum.at(low, places, kept)
        np.maximum.at(high, places, kept)
        counts = np.bincount(places, minlength=self.count)
        sums = np.bincount(places, weights=kept, minlength=self.count)
        empty = counts == 0
        low[empty] = high[empty] = np.nan
        mean = np.divide(sums, counts, out=np.full(self.count, np.nan), where=~empty)
        return Band(low, high, mean)

    def most_frequent(self, codes: npt.NDArray[np.int8], kinds: int) -> npt.NDArray[np.int64]:
        """The code that each column has most of, the lower one where two tie; -1 where it has none above -1."""
        counts = np.zeros((kinds, self.count), np.int64)
        there = codes >= 0
        np.add.at(counts, (codes[there], self.places[there]), 1)
        best = counts.argmax(axis=0) if kinds else np.zeros(self.count, np.int64)
        return np.where(counts.sum(axis=0) > 0, best, -1)

    def share(self, flags: npt.NDArray[np.bool_]) -> Floats:
        """Share of each column's segments that have a flag, [columns]; NaN where it has no segment."""
        counts = np.bincount(self.places[flags], minlength=self.count)
        share: Floats = np.divide(counts, self.filled, out=np.full(self.count, np.nan), where=self.filled > 0)
        return share
