"""The live clock and the placement of audio, in simulated time."""

from __future__ import annotations

import numpy as np
import pytest

from emostream.engines.frontend.placement import AudioPlacer
from emostream.engines.frontend.segmenter import Segmenter
from emostream.engines.media.audio import AudioBlock
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.pipeline.clock import LiveClock, RecordedClock

BLOCK = 320


class Ring:
    """A segmenter's placement side alone, which records what it was told."""

    def __init__(self) -> None:
        self.audio_end = 0
        self.skipped = 0

    def push_audio(self, samples):
        self.audio_end += samples.size

    def skip_audio(self, position):
        self.skipped += max(0, position - self.audio_end)
        self.audio_end = max(self.audio_end, position)


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_the_grid_follows_a_sound_card_that_is_off(ppm):
    rng = np.random.default_rng(3)
    clock, ring = LiveClock(1000.0, 0.0), Ring()
    placer = AudioPlacer(ring, clock)
    errors = []
    for n in range(50 * 600):  # ten minutes
        truth = 1000.0 + n * BLOCK / SAMPLE_RATE / (1 + ppm * 1e-6)
        placer.place(AudioBlock(truth + rng.normal(0, 0.004), np.zeros(BLOCK, np.float32)))
        # A frame captured together with the block must land where the block lies.
        errors.append(clock.to_grid(truth) - (ring.audio_end - BLOCK) / SAMPLE_RATE)
    assert (ring.skipped, placer.late_samples, placer.missing_samples) == (pytest.approx(0, abs=400), 0, 0)
    assert np.abs(errors[50 * 30 :]).max() < 0.005
    assert clock.captured_at(clock.to_grid(1300.0)) == pytest.approx(1300.0)


def test_the_grid_goes_on_without_audio_and_never_steps():
    clock = LiveClock(0.0, 0.0)
    placer = AudioPlacer(Ring(), clock)
    seen = []
    for n in range(500):
        t = n * 0.02
        if not 200 <= n < 300:
            placer.place(AudioBlock(t * (1 + 1e-4), np.zeros(BLOCK, np.float32)))
        seen.append(clock.to_grid(t))
    steps = np.diff(seen)
    assert steps.min() > 0.015
    assert steps.max() < 0.025


def test_gaps_overlaps_and_overflows():
    clock, ring = LiveClock(0.0, 0.0), Ring()
    placer = AudioPlacer(ring, clock)
    block = np.zeros(BLOCK, np.float32)
    placer.place(AudioBlock(0.0, block))
    placer.place(AudioBlock(0.02, block))
    assert ring.audio_end == 640
    placer.place(AudioBlock(0.14, block, lost=True))  # 100 ms are missing
    assert (ring.audio_end, placer.missing_samples) == (2560, 1600)
    placer.place(AudioBlock(0.17, block, lost=True))  # 10 ms, said by the driver
    assert placer.missing_samples == pytest.approx(1600 + 160, abs=2)
    end = ring.audio_end
    missing = placer.missing_samples
    placer.place(AudioBlock(0.05, block, lost=True))  # long given up, and counted as missing
    assert (ring.audio_end, placer.late_samples, placer.missing_samples) == (end, 0, missing)


def test_what_comes_after_its_segment_has_left_is_late():
    ring = Ring()
    placer = AudioPlacer(ring, LiveClock(0.0, 0.0))
    block = np.zeros(BLOCK, np.float32)
    placer.place(AudioBlock(0.0, block))
    ring.skip_audio(10 * BLOCK)  # the segment left without
    for n in (1, 2, 3, 6):  # 4 and 5 never come
        placer.place(AudioBlock(n * 0.02, block))
    assert (placer.late_samples, placer.missing_samples) == (4 * BLOCK, 2 * BLOCK)
    placer.place(AudioBlock(10 * 0.02, block))
    assert (placer.late_samples, placer.missing_samples) == (4 * BLOCK, 5 * BLOCK)
    assert ring.audio_end == 11 * BLOCK


def test_a_driver_that_gives_one_moment_many_times_loses_that_moment_once():
    """As PulseAudio's does while its source goes: blocks by the thousand, at once."""
    ring = Ring()
    placer = AudioPlacer(ring, LiveClock(0.0, 0.0))
    block = np.zeros(BLOCK, np.float32)
    for n in range(50):
        placer.place(AudioBlock(n * 0.02, block))
    ring.skip_audio(100 * BLOCK)
    for n in range(5000):
        placer.place(AudioBlock(1.2 + n * 1e-5, block, lost=n % 100 == 0))
    assert ring.audio_end == 100 * BLOCK
    assert placer.missing_samples + placer.late_samples <= 50 * BLOCK


def test_a_better_estimate_of_the_latency_loses_nothing():
    clock, ring = LiveClock(0.0, 0.0), Ring()
    placer = AudioPlacer(ring, clock)
    for n in range(1000):
        early = 0.1 if n >= 20 else 0.0  # the first blocks had been held up
        placer.place(AudioBlock(0.1 + n * 0.02 - early, np.zeros(BLOCK, np.float32)))
    assert (placer.late_samples, placer.missing_samples) == (0, 0)
    assert ring.audio_end == 1600 + 1000 * BLOCK
    assert clock.to_grid(999 * 0.02) == pytest.approx((ring.audio_end - BLOCK) / SAMPLE_RATE, abs=0.005)


def test_a_gap_that_nobody_announced():
    ring = Ring()
    placer = AudioPlacer(ring, LiveClock(0.0, 0.0))
    for t in (0.0, 0.02, 1.0):
        placer.place(AudioBlock(t, np.zeros(BLOCK, np.float32)))
    assert placer.missing_samples == pytest.approx(16_000 - 640, abs=10)


def test_audio_before_the_grid_is_cut_and_not_lost():
    ring = Ring()
    placer = AudioPlacer(ring, LiveClock(1.0, 0.0))
    for t in (0.95, 0.97, 0.99):
        placer.place(AudioBlock(t, np.zeros(BLOCK, np.float32)))
    assert (ring.audio_end, placer.late_samples) == (160, 0)


def test_a_microphone_that_joins_late_lies_by_its_timestamps():
    ring = Ring()
    placer = AudioPlacer(ring, LiveClock(0.0, 0.0))
    ring.skip_audio(16_000)
    for n in range(10):
        placer.place(AudioBlock(0.966 + n * 0.02, np.zeros(BLOCK, np.float32)))
    assert placer.late_samples == 0
    assert ring.audio_end == round((0.966 + 0.2) * 16_000)


def test_recorded_clock():
    clock = RecordedClock(2.0, 100.0, 1e9, fast=False)
    assert (clock.to_grid(2.5), clock.captured_at(0.5), clock.unix(0.5)) == (0.5, 100.5, 1e9 + 100.5)
    assert RecordedClock(2.0, 100.0, 0.0, fast=True).captured_at(0.5) is None


def test_a_late_track_skips_into_its_place():
    segmenter = Segmenter(audio=True, video=False)
    placer = AudioPlacer(segmenter, RecordedClock(0.0, 0.0, 0.0, fast=True))
    placer.place(AudioBlock(0.5, np.ones(BLOCK, np.float32)))
    assert segmenter.audio_end == 8000 + BLOCK
    assert placer.missing_samples == 0
