"""Live sources: a network camera, a local camera's reader, the microphone's stamps, and what happens without data."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from emostream.engines.errors import SourceError
from emostream.engines.media.video import VideoFrame
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.sources.base import Playback, Sinks
from emostream.streamer.sources.block_ring import RawBlock
from emostream.streamer.sources.camera import Camera
from emostream.streamer.sources.network_stream import ArrivalClock, NetworkStream
from emostream.streamer.sources.timestamps import BlockStamper
from tests.media_files import write_media
from tests.streamer.running import emotions, events_of, portrait


def test_a_network_camera_end_to_end(mjpeg_server, bundle_folder):
    mjpeg_server.image = portrait()
    events = events_of(
        "--camera", mjpeg_server.url, "--mic", "none", "--bundle", bundle_folder, "--duration", 4, timeout=60
    )
    segments = emotions(events)
    assert len(segments) == 12
    assert {e["reason"]["audio"] for e in segments} == {"off"}
    assert sum(e["modalities"]["video"] for e in segments) >= 10
    assert {e["head"] for e in segments[2:]} == {"video"}
    assert sorted(e["latency_ms"] for e in segments)[len(segments) // 2] < 500


def test_a_network_camera_and_a_file_for_the_voice(mjpeg_server, bundle_folder, tmp_path):
    from emostream.trainer.actors.clip import Line, samples

    mjpeg_server.image = portrait()
    voice = write_media(tmp_path / "v.wav", sound=samples((Line("anger", 4.0),), actor=2), pictures=False)
    events = events_of("--camera", mjpeg_server.url, "--mic", voice, "--bundle", bundle_folder, "--duration", 4)
    segments = emotions(events)
    assert len(segments) == 12
    assert sum(e["head"] == "fused" for e in segments) >= 6


def playback(stop: threading.Event) -> Playback:
    return Playback(0.0, time.monotonic(), fast=False, live=True, stop=stop)


def test_the_network_stream_stamps_by_arrival(mjpeg_server):
    mjpeg_server.fps = 10.0
    queue: BoundedQueue[VideoFrame] = BoundedQueue("frames", 100, "drop_oldest")
    source = NetworkStream(mjpeg_server.url)
    source.open()
    stop = threading.Event()
    thread = threading.Thread(target=source.run, args=(Sinks(None, queue), playback(stop)), daemon=True)
    thread.start()
    frames = [queue.get() for _ in range(25)]
    stop.set()
    thread.join(5)
    steps = np.diff([frame.t for frame in frames[10:]])
    assert steps.mean() == pytest.approx(0.1, rel=0.25)  # FFmpeg says 0.04 of every Motion JPEG
    assert abs(frames[-1].t - time.monotonic()) < 5


def test_arrival_clock():
    clock = ArrivalClock()
    assert clock.stamp(0.0, 100.3) == pytest.approx(100.3)
    assert clock.stamp(0.1, 100.35) == pytest.approx(100.35)  # faster: the new measure
    assert clock.stamp(0.2, 100.9) == pytest.approx(100.45)  # late, but its time is known
    assert clock.stamp(0.3, 110.0) == pytest.approx(110.0)  # the sender paused


def test_the_camera_reader_gives_frames_and_says_when_they_end(tmp_path):
    file = write_media(tmp_path / "cam.mkv", seconds=1.0)
    queue: BoundedQueue[VideoFrame] = BoundedQueue("frames", 100, "drop_oldest")
    camera = Camera(str(file))  # OpenCV reads a file through the same calls as a device
    camera.open()
    with pytest.raises(SourceError, match="was lost: it gives no more frames"):
        camera.run(Sinks(None, queue), playback(threading.Event()))
    assert len(queue) == 25  # the first one told that the camera works, and four may be stale
    first = queue.pop()
    assert first.image.shape == (240, 320, 3)
    assert abs(first.t - time.monotonic()) < 5


def microphone_blocks(stamper, rate, samples, *, count, latency=0.03, delay=None, jitter=0.0, ppm=0.0, lost=()):
    """Blocks of 20 ms as a sound card that is `ppm` fast gives them: each arrives `latency` after its end, or later."""
    rng = np.random.default_rng(4)
    size = rate // 50
    given = []
    for n in range(count):
        end = 1000.0 + (n + 1) * size / rate / (1 + ppm * 1e-6)
        raw = samples[n * size : (n + 1) * size]
        arrived = end + latency + rng.exponential(jitter) if jitter else end + latency
        given += stamper.push(RawBlock(arrived, delay, raw, n in lost))
    return given


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("delay", [None, 0.05])
def test_microphone_stamps_belong_to_their_samples(rate, channels, delay):
    """A click at a known time must come out at that time, whatever the resampler and the driver hold back."""
    samples = np.zeros((rate, channels), np.float32)
    samples[rate // 2] = 1.0
    given = microphone_blocks(BlockStamper(rate, 0.03), rate, samples, count=50, delay=delay)
    for one, other in pairwise(given):
        assert other.t == pytest.approx(one.end, abs=1e-6)
    whole = np.concatenate([b.samples for b in given])
    found = given[0].t + np.abs(whole).argmax() / SAMPLE_RATE
    assert found == pytest.approx(1000.5, abs=1.0 / SAMPLE_RATE)


@pytest.mark.parametrize("ppm", [-200, 200])
def test_microphone_stamps_follow_drift_and_ignore_jitter(ppm):
    samples = np.zeros((16_000 * 120, 1), np.float32)
    given = microphone_blocks(BlockStamper(16_000, 0.03), 16_000, samples, count=50 * 120, jitter=0.01, ppm=ppm)
    truth = 1000.0 + np.arange(len(given)) * 0.02 / (1 + ppm * 1e-6)
    assert not any(b.lost for b in given)
    # Drift makes the best arrival of ten seconds up to 2 ms old; jitter of 10 ms adds what the best of 500 has.
    np.testing.assert_allclose([b.t for b in given][20:], truth[20:], atol=0.004)


def test_an_overflow_is_marked_and_restarts_the_resampler():
    samples = np.zeros((48_000 * 2, 1), np.float32)
    given = microphone_blocks(BlockStamper(48_000, 0.03), 48_000, samples, count=60, lost={40})
    assert sum(b.lost for b in given) == 1
    marked = next(b for b in given if b.lost)
    assert marked.t == pytest.approx(1000.8, abs=1e-3)


def test_a_loss_while_the_latency_is_learned_shifts_nothing():
    stamper = BlockStamper(16_000, 0.0)
    raw = np.zeros((320, 1), np.float32)
    given = []
    for n in range(60):
        gap = 0.3 if n >= 5 else 0.0
        given += stamper.push(RawBlock(1000.02 + n * 0.02 + gap, None, raw, n == 5))
    assert given[0].t == pytest.approx(1000.0 + 5 * 0.02 + 0.3, abs=1e-3)
    assert given[-1].t == pytest.approx(1000.0 + 59 * 0.02 + 0.3, abs=1e-3)


def test_samples_lost_without_a_word_are_noticed():
    stamper = BlockStamper(16_000, 0.0)
    raw = np.zeros((320, 1), np.float32)
    given = []
    for n in range(300):
        silent_gap = 0.4 if n >= 100 else 0.0
        given += stamper.push(RawBlock(1000.02 + n * 0.02 + silent_gap, None, raw))
    assert sum(b.lost for b in given) == 1
    assert given[-1].t == pytest.approx(1000.0 + 299 * 0.02 + 0.4, abs=1e-3)


def test_a_late_burst_is_no_loss():
    stamper = BlockStamper(16_000, 0.0)
    raw = np.zeros((320, 1), np.float32)
    given = []
    for n in range(300):
        arrived = 1000.02 + n * 0.02 if not 100 <= n < 120 else 1000.02 + 120 * 0.02
        given += stamper.push(RawBlock(arrived, None, raw))
    assert not any(b.lost for b in given)
    np.testing.assert_allclose(np.diff([b.t for b in given]), 0.02, atol=1e-6)
