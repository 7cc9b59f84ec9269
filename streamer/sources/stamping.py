"""When the blocks of a microphone were captured, and their sound at 16 kHz."""

from __future__ import annotations

import numpy as np

from emostream.engines.frontend.settings import SAMPLE_RATE
from emostream.engines.media.audio import AudioBlock, MonoResampler
from emostream.streamer.sources.block_ring import RawBlock
from emostream.streamer.sources.sample_clock import SampleClock

__all__ = ["BlockStamper"]

_LEARNING_BLOCKS = 10
_MAX_LATENCY_S = 0.1


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
        # Output sample n belongs to input sample n rate / 16000: what the resampler holds back only comes later.
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
