"""Where a block of audio lies on the grid: next to the one before, or elsewhere after a gap."""

from __future__ import annotations

from typing import Protocol

from engines.frontend.segmenter import Segmenter
from engines.frontend.settings import SAMPLE_RATE
from engines.media.audio import AudioBlock

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
        late_samples: samples that came after their place on the grid had been given up, or twice.
        missing_samples: samples of gaps between blocks.
    """

    def __init__(self, segmenter: Segmenter, clock: GridClock) -> None:
        """Place into `segmenter` by `clock`."""
        self._segmenter = segmenter
        self._clock = clock
        self._expected: int | None = None
        self.late_samples = 0
        self.missing_samples = 0

    def place(self, block: AudioBlock) -> int:
        """Take the next block of the source; the grid position of its first sample, taken or not."""
        end = self._segmenter.audio_end
        measured = round(self._clock.to_grid(block.t) * SAMPLE_RATE)
        follows = self._expected == end and not block.lost and abs(measured - end) <= _GAP_S * SAMPLE_RATE
        samples = block.samples
        if not follows and self._expected is not None:
            self.missing_samples += max(0, measured - self._expected)
        if follows:
            self._clock.follow(block.t, end / SAMPLE_RATE)
        elif measured > end:
            self._segmenter.skip_audio(measured)
        elif measured < end:
            overlap = min(end - measured, samples.size)
            if self._expected is not None:
                self.late_samples += overlap
            samples = samples[overlap:]
        # A source that begins before its place on the grid has lost nothing: it has only begun early.
        if samples.size:
            self._segmenter.push_audio(samples)
            self._expected = self._segmenter.audio_end
        return end if follows else measured
