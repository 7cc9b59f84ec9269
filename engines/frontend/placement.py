"""Where a block of audio lies on the grid: next to the one before, or elsewhere after a gap."""

from __future__ import annotations

from typing import Protocol

from emostream.engines.frontend.segmenter import Segmenter
from emostream.engines.media.audio import AudioBlock
from emostream.engines.settings import SAMPLE_RATE

__all__ = ["AudioPlacer", "GridClock"]

_GAP_S = 0.5  # a timestamp this far off the sample count is no jitter, even of a source that says nothing was lost


class GridClock(Protocol):
    """Maps timestamps to the grid."""

    def to_grid(self, t: float) -> float:
        """Grid time, in seconds, of a source's timestamp."""

    def follow(self, t: float, grid: float) -> None:
        """Take in that the sample at `grid` s has the timestamp `t` s, give or take its jitter."""


class AudioPlacer:
    """Puts blocks onto the grid; zero-fills gaps, cuts overlaps, and lets a live clock follow the sample count.

    Attributes:
        late_samples: samples that came after their place on the grid had been given up.
        missing_samples: samples of gaps between blocks.
    """

    def __init__(self, segmenter: Segmenter, clock: GridClock) -> None:
        """Place into `segmenter` by `clock`."""
        self._segmenter = segmenter
        self._clock = clock
        self._expected: int | None = None
        self._accounted = 0  # all before it is there, or was counted
        self.late_samples = 0
        self.missing_samples = 0

    def place(self, block: AudioBlock) -> int:
        """Take the next block of the source; the grid position of its first sample, taken or not."""
        end = self._segmenter.audio_end
        measured = round(self._clock.to_grid(block.t) * SAMPLE_RATE)
        follows = self._expected == end and not block.lost and abs(measured - end) <= _GAP_S * SAMPLE_RATE
        begin, samples = end if follows else measured, block.samples
        if self._expected is not None:
            self._count(begin, min(begin + samples.size, end))
        if follows:
            self._clock.follow(block.t, end / SAMPLE_RATE)
        elif measured > end:
            self._segmenter.skip_audio(measured)
        else:
            samples = samples[end - measured :]
        # A source that begins before its place on the grid has lost nothing: it has only begun early.
        if samples.size:
            self._segmenter.push_audio(samples)
            self._expected = self._segmenter.audio_end
        if self._expected is not None:
            self._accounted = max(self._accounted, begin + block.samples.size)
        return begin

    def _count(self, begin: int, late_until: int) -> None:
        """Count each place on the grid that is lost once, though a driver may give sound of one moment many times."""
        self.missing_samples += max(0, begin - self._accounted)
        self.late_samples += max(0, late_until - max(begin, self._accounted))
