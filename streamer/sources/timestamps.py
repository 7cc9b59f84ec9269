"""Capture times: of a microphone's blocks, by counting samples, and the running minimum that arrival times rest on."""

from __future__ import annotations

from collections import deque

import numpy as np

from emostream.engines.media.audio import AudioBlock, MonoResampler
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.sources.block_ring import RawBlock

__all__ = ["BlockStamper", "RunningMinimum", "SampleClock"]

_WINDOW_BLOCKS = 500  # 10 s at 20 ms: long enough to meet a block without delay, short enough to follow drift
_RECENT_BLOCKS = 50
_LOSS_S = 0.1

_LEARNING_BLOCKS = 10
_MAX_LATENCY_S = 0.1


class SampleClock:
    """Gives every block the time of its first sample.

    A block can arrive late, never early, so the earliest arrival within ten seconds, by the sample count, tells when
    the count began; single arrivals and what drivers report as ADC time jump by tens of milliseconds. Arrivals that
    stay late mean that samples were lost without a word.
    """

    def __init__(self, rate: int) -> None:
        """Count `rate` samples a second."""
        self._rate = rate
        self.restart()

    def restart(self) -> None:
        """Count afresh: samples were lost."""
        self._count = self._blocks = 0
        self._begun = RunningMinimum(_WINDOW_BLOCKS)
        self._recent = RunningMinimum(_RECENT_BLOCKS)

    def take(self, arrived: float, frames: int) -> bool:
        """Take in a block; False where samples were lost before it, and the count began afresh.

        Args:
            arrived: monotonic time of its arrival, in seconds.
            frames: its samples.
        """
        begun = arrived - (self._count + frames) / self._rate
        self._recent.push(self._blocks, begun)
        steady = self._blocks + 1 < _RECENT_BLOCKS or self._recent.value - self._begun.value <= _LOSS_S
        if not steady:
            self.restart()
            begun = arrived - frames / self._rate
            self._recent.push(self._blocks, begun)
        self._begun.push(self._blocks, begun)
        self._blocks += 1
        self._count += frames
        return steady

    def time_of(self, count: int) -> float:
        """Monotonic time at which sample `count` since the last restart arrived, had it not been held up."""
        return self._begun.value + count / self._rate


class RunningMinimum:
    """The least value of the last ones, at a cost that does not grow with their number."""

    def __init__(self, span: float) -> None:
        """Keep values for `span`, in the measure of their positions."""
        self._span = span
        # Positions and values both rise: a value with a lesser one after it can never be the least again.
        self._kept: deque[tuple[float, float]] = deque()

    def push(self, position: float, value: float) -> None:
        """Take in a value; those at `position - span` and before leave."""
        while self._kept and self._kept[-1][1] >= value:
            self._kept.pop()
        self._kept.append((position, value))
        while self._kept[0][0] <= position - self._span:
            self._kept.popleft()

    @property
    def value(self) -> float:
        """The least one; there must have been one."""
        return self._kept[0][1]


class BlockStamper:
    """Resamples raw blocks to mono at 16 kHz and gives them their capture times."""

    def __init__(self, rate: int, usual_latency_s: float) -> None:
        """Take `rate` samples a second; the latency serves where the host gives no ADC times."""
        self._rate, self._usual_latency_s = rate, usual_latency_s
        self._clock = SampleClock(rate)
        self._held: list[RawBlock] = []
        self._latency_s: float | None = None
        self._lost = False
        self._restart()

    def push(self, raw: RawBlock) -> list[AudioBlock]:
        """The blocks that one more raw block makes available; the first few are held back to learn the latency."""
        if raw.lost:
            self._clock.restart()
        if not self._clock.take(raw.arrived, raw.samples.shape[0]) or raw.lost:
            self._lost = True
            self._held.clear()
            self._restart()
        if self._latency_s is None:
            self._held.append(raw)
            if len(self._held) < _LEARNING_BLOCKS:
                return []
            self._latency_s = self._learn_latency()
            held, self._held = self._held, []
            return [block for each in held for block in self._resample(each)]
        return self._resample(raw)

    def _resample(self, raw: RawBlock) -> list[AudioBlock]:
        assert self._latency_s is not None
        out = self._resampler.push(raw.samples)
        # Output sample n stands for input sample n * rate / 16000; the resampler only delivers it later.
        t = self._clock.time_of(0) + self._given / SAMPLE_RATE - self._latency_s
        self._given += out.size
        if not out.size:
            return []
        block = AudioBlock(t, out, self._lost)
        self._lost = False
        return [block]

    def _learn_latency(self) -> float:
        """From capture to callback beyond the block's own length; some hosts report nonsense, so within bounds."""
        reported = [raw.delay - raw.samples.shape[0] / self._rate for raw in self._held if raw.delay is not None]
        latency = float(np.median(reported)) if reported else self._usual_latency_s
        return min(max(latency, 0.0), _MAX_LATENCY_S)

    def _restart(self) -> None:
        self._resampler = MonoResampler(self._rate)
        self._given = 0
