"""A ring buffer of audio samples that are placed by their position on the grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["AudioRing"]


class AudioRing:
    """The last `capacity` samples of the grid; what never arrived reads as zeros and is not counted as arrived.

    Samples are written in order of position. `end` is the position after the newest one, written or skipped.
    """

    def __init__(self, capacity: int) -> None:
        """Allocate room for `capacity` samples."""
        self._samples = np.zeros(capacity, dtype=np.float32)
        self._arrived = np.zeros(capacity, dtype=np.bool_)
        self.end = 0

    def write(self, samples: npt.NDArray[np.float32]) -> None:
        """Append float32 samples at `end`; the oldest are overwritten."""
        self._append(samples, True)

    def skip_to(self, position: int) -> None:
        """Mark everything from `end` up to `position` as missing."""
        if position - self.end > self._samples.size:
            self.end = position - self._samples.size
        self._append(np.zeros(max(0, position - self.end), dtype=np.float32), False)

    def read(self, start: int, stop: int) -> tuple[npt.NDArray[np.float32], int]:
        """Samples [start, stop) and how many of them arrived.

        Raises:
            ValueError: they lie after `end`, or were overwritten.
        """
        if not max(0, self.end - self._samples.size) <= start <= stop <= self.end:
            raise ValueError(
                f"samples [{start}, {stop}) are not in the ring, which holds "
                f"[{max(0, self.end - self._samples.size)}, {self.end})"
            )
        index = np.arange(start, stop) % self._samples.size
        return self._samples[index], int(self._arrived[index].sum())

    def _append(self, samples: npt.NDArray[np.float32], arrived: bool) -> None:
        kept = samples[-self._samples.size :]
        index = np.arange(self.end + samples.size - kept.size, self.end + samples.size) % self._samples.size
        self._samples[index] = kept
        self._arrived[index] = arrived
        self.end += samples.size
