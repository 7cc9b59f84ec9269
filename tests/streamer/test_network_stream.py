"""Network streams: the sender's clock against ours, damage on the way, and the end."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.soak.server import mjpeg_part
from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.streamer.config import StreamConfig
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.sources.base import Playback, Sinks
from emostream.streamer.sources.browser import BrowserSlot
from emostream.streamer.sources.choose import open_sources
from emostream.streamer.sources.network_stream import ArrivalClock, NetworkStream
from emostream.streamer.sources.timestamps import RunningMinimum
from tests.media_files import write_media


def playback(stop: threading.Event | None = None) -> Playback:
    return Playback(0.0, time.monotonic(), fast=False, live=True, stop=stop or threading.Event())


def test_running_minimum():
    values = np.random.default_rng(3).integers(0, 20, 500)
    least = RunningMinimum(7)
    for n, value in enumerate(values):
        least.push(n, value)
        assert least.value == values[max(0, n - 6) : n + 1].min()


@pytest.mark.parametrize("ppm", [-100, 0, 100])
def test_three_hours_of_a_sender_whose_clock_is_off(ppm):
    rng = np.random.default_rng(1)
    clock = ArrivalClock()
    sent = 500.0 + np.arange(0.0, 3 * 3600.0, 0.2)
    arrived = np.maximum.accumulate(sent + 0.05 + rng.exponential(0.005, sent.size))
    given = np.array([clock.stamp(t * (1 + ppm * 1e-6), a) for t, a in zip(sent, arrived, strict=True)])
    error = given - (sent + 0.05)
    assert np.abs(error[50:]).max() < 0.02
    assert np.diff(given[50:]).min() > 0.1
    assert (given <= arrived + 1e-6).all()


def test_a_burst_at_connect_is_forgotten():
    clock = ArrivalClock()
    for n in range(40):
        assert clock.stamp(n * 0.05, 100.0) == pytest.approx(100.0)
    # It was ahead of its time: what follows is 0.8 s later than its last packet promised.
    given = [clock.stamp(2.0 + n * 0.05, 100.85 + n * 0.05) for n in range(300)]
    np.testing.assert_allclose(given[201:], 100.85 + np.arange(201, 300) * 0.05)


def test_single_late_packets_are_no_pause():
    clock = ArrivalClock()
    given = []
    for n in range(200):
        t = n * 0.05
        given.append(clock.stamp(t, 100.0 + t, "video"))
        if n % 10 == 0:
            assert clock.stamp(t - 3.0, 100.0 + t, "audio") == pytest.approx(97.0 + t)
    np.testing.assert_allclose(given, 100.0 + np.arange(200) * 0.05)


def test_packets_that_stay_late_are_a_pause():
    clock = ArrivalClock()
    for n in range(100):
        clock.stamp(n * 0.1, 100.0 + n * 0.1)
    given = [clock.stamp(10.0 + n * 0.1, 111.5 + n * 0.1) for n in range(15)]
    assert given[-1] == pytest.approx(112.9)


def test_timestamps_that_step_back_begin_afresh():
    clock = ArrivalClock()
    for n in range(100):
        clock.stamp(5000.0 + n * 0.1, 100.0 + n * 0.1, "video")
        clock.stamp(5000.0 + n * 0.1, 100.0 + n * 0.1, "audio")
    assert clock.stamp(7.0, 110.0, "video") == pytest.approx(110.0)
    assert clock.stamp(5010.0, 110.0, "audio") == pytest.approx(110.0)  # it had been on its way
    assert clock.stamp(7.1, 110.1, "audio") == pytest.approx(110.1)
    assert clock.stamp(7.2, 110.2, "video") == pytest.approx(110.2)


def test_a_damaged_picture_does_not_end_a_stream(mjpeg_server, caplog):
    mjpeg_server.fps, mjpeg_server.frames = 200.0, 150
    mjpeg_server.damaged = range(90, 110, 4)
    queue: BoundedQueue[VideoFrame] = BoundedQueue("frames", 200, "drop_oldest")
    source = NetworkStream(mjpeg_server.url)
    source.open()
    with caplog.at_level(logging.WARNING, "emostream"), pytest.raises(SourceError, match="the server ended it"):
        source.run(Sinks(None, queue), playback())
    assert len(queue) == 145
    assert sum("damaged video, going on" in record.message for record in caplog.records) == 1


def test_a_stream_of_damage_is_given_up(mjpeg_server):
    mjpeg_server.fps, mjpeg_server.frames = 500.0, 400
    mjpeg_server.damaged = range(100, 400)
    source = NetworkStream(mjpeg_server.url)
    source.open()
    with pytest.raises(SourceError, match=r"cam\.mjpg was lost: it is too damaged to go on"):
        source.run(Sinks(None, BoundedQueue("frames", 400, "drop_oldest")), playback())


def test_a_stream_that_is_stopped_is_not_lost(mjpeg_server):
    stop = threading.Event()
    queue: BoundedQueue[VideoFrame] = BoundedQueue("frames", 10, "drop_oldest")
    source = NetworkStream(mjpeg_server.url)
    source.open()
    threading.Timer(0.3, stop.set).start()
    source.run(Sinks(None, queue), playback(stop))
    assert len(queue) > 0


def serve_once(feed: Callable[[socket.socket], None]) -> str:
    """The address of a server that feeds its first client and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        with listener, client:
            feed(client)

    threading.Thread(target=serve, daemon=True).start()
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def serve_pictures(count: int, gone: threading.Event) -> str:
    """The address of a camera that serves one client, once, as many small ones do; notices when that is gone."""

    def feed(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        try:
            for n in range(count):
                picture = np.full((120, 160, 3), n % 255, np.uint8)
                client.sendall(mjpeg_part(cv2.imencode(".jpg", picture)[1].tobytes()))
                time.sleep(0.01)
        except ConnectionError:
            gone.set()

    return serve_once(feed).replace("tcp:", "http:")


def test_a_camera_that_serves_one_client_once():
    config = StreamConfig(camera=serve_pictures(40, threading.Event()), mic="none")
    (chosen,) = open_sources(config, BrowserSlot(), fast=False)
    frames: BoundedQueue[VideoFrame] = BoundedQueue("frames", 100, "drop_oldest")
    with pytest.raises(SourceError, match="was lost: the server ended it"):
        chosen.source.run(Sinks(None, frames), playback())
    assert len(frames) == 40
    chosen.source.close()


def test_a_camera_is_let_go_where_another_source_is_refused(tmp_path: Path):
    gone = threading.Event()
    config = StreamConfig(camera=serve_pictures(10_000, gone), mic=str(tmp_path / "none.wav"))
    with pytest.raises(SourceError, match=r"none\.wav does not exist"):
        open_sources(config, BrowserSlot(), fast=False)
    assert gone.wait(5.0)


def test_a_burst_of_both_tracks_gives_rising_times(tmp_path: Path):
    """All of the file comes at once, so nearly all of it is past: nothing may lie in the future, or turn back."""
    sound = np.zeros(16_000 * 3, np.float32)
    data = write_media(tmp_path / "both.mkv", sound=sound, seconds=3.0).read_bytes()
    audio: BoundedQueue[AudioBlock] = BoundedQueue("audio", 1000, "drop_oldest")
    video: BoundedQueue[VideoFrame] = BoundedQueue("frames", 1000, "drop_oldest")
    source = NetworkStream(serve_once(lambda client: client.sendall(data)))
    source.open()
    with pytest.raises(SourceError, match="was lost: the server ended it"):
        source.run(Sinks(audio, video), playback())
    blocks = [audio.pop() for _ in range(len(audio))]
    frames = [video.pop() for _ in range(len(video))]
    assert blocks
    assert frames
    now = time.monotonic()
    for items in (blocks, frames):
        times = [item.t for item in items]
        assert (np.diff(times) > 0).all()
        assert now - 5 < times[0]
        assert times[-1] <= now
    for one, other in pairwise(blocks):
        assert other.t > one.end - 0.011
