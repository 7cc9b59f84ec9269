"""When the samples of a sound card were captured, by counting them."""

from __future__ import annotations

from emostream.streamer.sources.running_minimum import RunningMinimum

__all__ = ["SampleClock"]

_WINDOW_BLOCKS = 500  # 10 s at 20 ms: long enough to meet a block without delay, short enough to follow drift
_RECENT_BLOCKS = 50
_LOSS_S = 0.1


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
