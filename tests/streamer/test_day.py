"""A day of a stream in simulated time: sound cards that are off, blocks that come late, cameras that lose frames.

Truth is one time axis in seconds. A clap is a sample and a frame of one true moment; on the grid they have to lie
together, within 20 ms, at any time of the day.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.placement import AudioPlacer
from emostream.engines.frontend.segmenter import Segmenter
from emostream.engines.media.audio import AudioBlock
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.pipeline import segmenting
from emostream.streamer.pipeline.clock import LiveClock
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.pipeline.segmenting import Segmenting, SegmentingOptions
from emostream.streamer.pipeline.stream_queues import StreamQueues
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.sources.block_ring import RawBlock
from emostream.streamer.sources.network_stream import ArrivalClock
from emostream.streamer.sources.timestamps import BlockStamper

BEGUN = 5000.0  # true time of the first sample
BLOCK = 320
LATENCY_S = 0.012
TOGETHER_S = 0.02
SETTLE_S = 15.0  # the estimate of a latency may get better meanwhile

long = pytest.mark.long
Jitter = Callable[[np.random.Generator, int], np.ndarray]


def punctual(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.zeros(count)


def late(rng: np.random.Generator, count: int) -> np.ndarray:
    """Most blocks come within milliseconds, some up to 50 ms late."""
    return np.where(rng.random(count) < 0.1, rng.uniform(0, 0.05, count), rng.exponential(0.001, count).clip(0, 0.05))


def bursts(rng: np.random.Generator, count: int) -> np.ndarray:
    """Now and then three blocks come at once, when the last of them is due."""
    delays = rng.exponential(0.0005, count).clip(0, 0.005)
    for first in np.flatnonzero(rng.random(count - 2) < 0.02):
        delays[first : first + 2] = 0.04, 0.02
    return delays


@dataclass(frozen=True)
class SoundCard:
    """Blocks of sound as a callback sees them.

    `ppm` is how much faster than it says it counts.
    """

    ppm: float
    jitter: Jitter
    seed: int = 1

    def true_time(self, sample: int) -> float:
        return BEGUN + sample / (SAMPLE_RATE * (1 + self.ppm * 1e-6))

    def sample_at(self, true: float) -> float:
        return (true - BEGUN) * SAMPLE_RATE * (1 + self.ppm * 1e-6)

    def raw(self, seconds: float, samples: Callable[[int], np.ndarray]) -> Iterator[RawBlock]:
        rng, arrived = np.random.default_rng(self.seed), 0.0
        for first in range(0, round(seconds * 50), 1000):
            for n, delay in enumerate(self.jitter(rng, 1000), first):
                arrived = max(arrived, self.true_time((n + 1) * BLOCK) + LATENCY_S + delay)
                yield RawBlock(arrived, LATENCY_S + BLOCK / SAMPLE_RATE, samples(n))


class Ring:
    """A segmenter's placement side alone, which keeps no sound."""

    def __init__(self) -> None:
        self.audio_end = 0

    def push_audio(self, samples: np.ndarray) -> None:
        self.audio_end += samples.size

    def skip_audio(self, position: int) -> None:
        self.audio_end = max(self.audio_end, position)


@pytest.mark.fault(
    "Clocks of camera and microphone that drift apart",
    "a sound card 200 ppm fast and slow, its blocks late and in bursts, for 24 simulated hours (in CI 20 minutes)",
    "what is heard and seen at once stays within 20 ms",
)
@pytest.mark.parametrize("jitter", [punctual, late, bursts])
@pytest.mark.parametrize("ppm", [-200.0, 200.0])
@pytest.mark.parametrize("hours", [1 / 3, pytest.param(24.0, marks=[long, pytest.mark.timeout(1800)])])
def test_a_clap_stays_together(ppm, jitter, hours):
    card, silence = SoundCard(ppm, jitter), np.zeros((BLOCK, 1), np.float32)
    stamper, ring = BlockStamper(SAMPLE_RATE, LATENCY_S), Ring()
    clock: LiveClock | None = None
    placer: AudioPlacer | None = None
    placed, worst = 0, 0.0
    for raw in card.raw(3600 * hours, lambda _: silence):
        for block in stamper.push(raw):
            if placer is None:
                clock = LiveClock(block.t, 0.0)
                placer = AudioPlacer(ring, clock)
            placer.place(block)
            true = card.true_time(placed)
            if true - BEGUN > SETTLE_S:
                worst = max(worst, abs(clock.to_grid(true) - (ring.audio_end - block.samples.size) / SAMPLE_RATE))
            placed += block.samples.size
    assert placer.late_samples == placer.missing_samples == 0
    assert ring.audio_end == placed  # nothing was lost or doubled
    assert worst < TOGETHER_S


class Simulated(threading.Condition):
    """A condition on which waiting is what lets time pass: what is due meanwhile happens."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGUN
        self._due: Iterator[tuple[float, int, Callable[[], object]]] = iter(())

    def follow(self, *timelines: Iterator[tuple[float, Callable[[], object]]]) -> None:
        """Let events happen in the order of their times."""
        numbered = (((t, n, do) for t, do in line) for n, line in enumerate(timelines))
        self._due = heapq.merge(*numbered, key=lambda event: event[:2])
        self._next = next(self._due, None)

    def wait(self, timeout: float | None = None) -> bool:
        until = self.now + max(timeout or 0.0, 1e-6)  # less would be lost in the sum, and time stand still
        if self._next is None or self._next[0] > until:
            self.now = until
            return False
        self.now = max(self.now, self._next[0])
        self._next[2]()
        self._next = next(self._due, None)
        return True


class Collected:
    """In place of the queue to the engine: what leaves, and when."""

    def __init__(self, condition: Simulated, hear: Callable[[int, np.ndarray], None]) -> None:
        self._condition, self._hear = condition, hear
        self.indices: list[int] = []
        self.lags: list[float] = []
        self.reasons: set[tuple[str | None, str | None]] = set()

    def put(self, timed) -> None:
        self.indices.append(timed.segment.index)
        self.lags.append(self._condition.now - timed.captured_at)
        self.reasons.add((timed.segment.audio_reason, timed.segment.video_reason))
        self._hear(timed.segment.index, timed.segment.samples)

    def close(self) -> None:
        pass


class Silent:
    """A voice detector that hears nothing, at no cost."""

    def process_samples(self, samples) -> float:
        return 0.0

    def reset(self) -> None:
        pass


CROP = np.zeros((150, 110, 3), np.uint8)
CLICK_EVERY = 50 * 10  # blocks


def with_clicks(n: int) -> np.ndarray:
    block = np.zeros((BLOCK, 1), np.float32)
    if n % CLICK_EVERY == 0:
        block[0] = 1.0
    return block


def sound(card: SoundCard, seconds: float, queue: BoundedQueue) -> Iterator[tuple[float, Callable[[], object]]]:
    stamper = BlockStamper(SAMPLE_RATE, LATENCY_S)
    raw = None
    for raw in card.raw(seconds, with_clicks):
        for block in stamper.push(raw):
            yield raw.arrived, lambda block=block: queue.put(block)
    yield raw.arrived, queue.close


def pictures(seconds: float, queue: BoundedQueue, *, own_clock: bool) -> Iterator[tuple[float, Callable[[], object]]]:
    """Thirty frames a second, of which one in twenty is lost and one in fifty comes twice.

    With a clock of its own they have times that run 150 ppm fast, and come over a network.
    """
    rng, clock, last = np.random.default_rng(2), ArrivalClock(), float("-inf")
    for n in range(round(30 * seconds)):
        true = BEGUN + n / 30
        if rng.random() < 0.05:
            continue
        for _ in range(2 if rng.random() < 0.02 else 1):
            if own_clock:
                arrived = true + 0.004 + rng.exponential(0.003)
                t = clock.stamp(77.0 + (true - BEGUN) * (1 + 150e-6), arrived, "video")
            else:
                arrived = t = true + 0.004
            if t > last:  # as both kinds of cameras do
                last = t
                face = FrameFace(t, (640, 480), (n, 2, 3, 4), CROP, 100.0)  # the box tells which frame it is
                yield arrived, lambda face=face: queue.put(face)
    yield arrived, queue.close


@pytest.mark.fault(
    "Camera that loses and doubles frames",
    "one in twenty lost, one in fifty twice, with a sound card that is off, for 24 simulated hours (in CI 20 minutes)",
    "no segment is lost or doubled; faces stay within 20 ms of their voice",
)
@pytest.mark.parametrize(("ppm", "jitter", "own_clock"), [(-200.0, late, False), (200.0, bursts, True)])
@pytest.mark.parametrize("minutes", [20, pytest.param(1440, marks=[long, pytest.mark.timeout(1800)])])
def test_no_segment_is_lost_or_doubled_and_faces_stay_with_voices(ppm, jitter, own_clock, minutes, monkeypatch):
    condition, card, seconds = Simulated(), SoundCard(ppm, jitter), 60.0 * minutes
    now = SimpleNamespace(monotonic=lambda: condition.now, perf_counter=lambda: condition.now)
    monkeypatch.setattr(segmenting, "time", now)
    monkeypatch.setattr("emostream.engines.frontend.voice._detector_class", lambda: Silent)
    audio: BoundedQueue[AudioBlock] = BoundedQueue("audio", 150, "drop_oldest", condition=condition)
    faces: BoundedQueue[FrameFace] = BoundedQueue("faces", 128, "drop_oldest", condition=condition)
    placed: list[tuple[float, float]] = []  # of each frame, on the grid and truly
    clicks: set[int] = set()
    push = Segmenter.push_frame

    def spy(self: Segmenter, frame: FrameFace) -> None:
        placed.append((frame.t, BEGUN + frame.box[0] / 30))
        push(self, frame)

    def hear(index: int, samples: np.ndarray) -> None:
        clicks.update(int(n) + index * 4800 for n in np.flatnonzero(samples))

    monkeypatch.setattr(Segmenter, "push_frame", spy)
    collected = Collected(condition, hear)
    condition.follow(sound(card, seconds, audio), pictures(seconds, faces, own_clock=own_clock))
    queues = StreamQueues(audio, None, faces, condition)
    Segmenting(queues, collected, Meters(), SegmentingOptions(None, 0.0, None)).run()

    assert collected.indices == list(range(len(collected.indices)))
    assert len(collected.indices) == pytest.approx((seconds - 0.655) / 0.3 + 1, abs=2 + seconds / 0.3 * 200e-6)
    assert collected.reasons <= {("no_voice", None), ("source_lost", None), ("no_voice", "source_lost")}
    assert max(collected.lags[50:]) < 0.3
    # Every click lies where its sample lies: no sample was lost, doubled, or moved.
    expected = np.arange(0, round(seconds * 50), CLICK_EVERY) * BLOCK
    offset = min(clicks)
    found = np.array(sorted(clicks))
    np.testing.assert_array_equal(found - offset, expected[: found.size])
    assert found.size >= expected.size - 1
    # And every frame lies with the sample of its moment.
    apart = [t - (offset + card.sample_at(true)) / SAMPLE_RATE for t, true in placed if true - BEGUN > SETTLE_S]
    assert len(apart) > 0.9 * 30 * (seconds - SETTLE_S)
    assert np.abs(apart).max() < TOGETHER_S
