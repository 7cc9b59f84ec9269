"""Sources that are lost, and come back: noticed within 2 s, said, opened again, and the grid goes on meanwhile."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import av
import numpy as np
import pytest

from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import EmotionEvent, StatusEvent
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.sources.base import LiveSource, Playback, Sinks
from emostream.streamer.sources.network_stream import NetworkStream
from emostream.streamer.sources.reconnect import STALE_S, ReconnectingReader, SourceMonitor, pauses
from emostream.streamer.threads import OwnedThread
from tests.media_files import write_media
from tests.streamer.running import COMMAND, portrait

PICTURES = np.random.default_rng(2).integers(0, 256, (500, 24, 32, 3), dtype=np.uint8)


@dataclass
class Device:
    """A device that sources can be opened on: a camera, a microphone, or both in one."""

    manner: str = "well"
    opened: int = 0
    open_now: int = 0
    given: int = 0

    def wait(self, manner: str, stop: threading.Event) -> bool:
        while self.manner == manner and not stop.is_set():
            time.sleep(0.01)
        return stop.is_set()


class Scripted(LiveSource):
    """A source that does what its device is told to do."""

    name = "the device"

    def __init__(self, device: Device) -> None:
        self._device = device

    def reopen(self):
        return Scripted(self._device)

    def open(self):
        while self._device.manner == "hangs while opening":
            time.sleep(0.01)
        if self._device.manner == "gone":
            raise SourceError("the device can't be opened")
        self._device.opened += 1
        self._device.open_now += 1

    def close(self):
        self._device.open_now -= 1

    def run(self, sinks, playback):
        device, begun = self._device, time.monotonic()
        while not playback.stop.wait(0.01):
            if device.manner == "gone":
                raise SourceError("the device was lost: it is unplugged")
            if device.manner == "flaps" and time.monotonic() > begun + 0.2:
                raise SourceError("the device was lost: it flaps")
            if device.manner == "stuck":  # in its driver, where no event of ours reaches it
                device.wait("stuck", threading.Event())
            device.given += device.manner != "frozen"
            now = time.monotonic()
            if sinks.video is not None and not sinks.video.put(VideoFrame(now, PICTURES[device.given % 500])):
                return
            if (
                sinks.audio is not None
                and device.manner not in ("mute", "frozen")
                and not sinks.audio.put(AudioBlock(now, np.zeros(160, np.float32)))
            ):
                return


@dataclass
class Kept:
    """A keeper at work, and what it says."""

    device: Device
    video: BoundedQueue
    audio: BoundedQueue
    stop: threading.Event
    said: list[str] = field(default_factory=list)
    states: list[tuple[str, str]] = field(default_factory=list)

    def say(self, level: int, message: str) -> None:
        if level >= logging.INFO:
            self.said.append(message)

    def until(self, reached: Callable[[], bool], timeout: float = 8.0) -> float:
        begun = time.monotonic()
        while not reached():
            assert time.monotonic() < begun + timeout, (self.states, self.said)
            time.sleep(0.01)
        return time.monotonic() - begun


@pytest.fixture
def kept():
    device, stop = Device(), threading.Event()
    made = Kept(
        device, BoundedQueue("frames", 10_000, "drop_oldest"), BoundedQueue("audio", 10_000, "drop_oldest"), stop
    )
    failures: list[BaseException] = []
    monitors = {
        "video": SourceMonitor(made.video, lambda state: made.states.append(("video", state))),
        "audio": SourceMonitor(made.audio, lambda state: made.states.append(("audio", state))),
    }
    source = Scripted(device)
    source.open()
    playback = Playback(0.0, time.monotonic(), fast=False, live=True, stop=stop)
    reader = ReconnectingReader(
        source, monitors, playback, lambda name, target: OwnedThread(name, target, failures.append), made.say
    )
    thread = threading.Thread(target=reader.run)
    thread.start()
    made.until(lambda: len(made.states) == 2)
    made.states.clear()
    yield made
    device.manner = "well"
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert not failures
    assert made.video._closed
    made.until(lambda: device.open_now == 0)


BOTH_LOST = [("video", "lost"), ("audio", "lost")]
BOTH_BACK = [("video", "running"), ("audio", "running")]


@pytest.mark.fault(
    "Camera or microphone unplugged, stuck in its driver, or giving one picture for ever",
    "the source raises, never returns, or repeats itself",
    "noticed within 2 s, said, opened again after 0.5, 1, 2, ... 15 s; nothing of before comes after",
)
@pytest.mark.parametrize("manner", ["gone", "stuck", "frozen"])
def test_a_lost_source_is_noticed_and_comes_back(kept, manner):
    kept.device.manner = manner
    noticed = kept.until(lambda: len(kept.states) == 2)
    assert noticed < 2.0
    assert kept.states == BOTH_LOST
    assert len(kept.said) == 1
    assert "trying to open it again" in kept.said[0]
    before = len(kept.video), len(kept.audio)
    time.sleep(1.2)  # several tries, and nothing old is passed off as new
    assert (len(kept.video), len(kept.audio)) == before
    kept.device.manner = "well"
    kept.until(lambda: len(kept.states) == 4)
    assert kept.states[2:] == BOTH_BACK
    kept.until(lambda: kept.said[-1].startswith("the device is back after "))
    others = {"gone": ["the device can't be opened"]}  # why it does not open is said, too, and once
    assert kept.said[1:-1] == others.get(manner, [])
    kept.until(lambda: len(kept.audio) > before[1] + 5)
    blocks = [kept.audio.pop() for _ in range(len(kept.audio))]
    assert [n for n, block in enumerate(blocks) if block.lost] == [before[1]]
    assert (np.diff([block.t for block in blocks]) > 0).all()
    frames = [kept.video.pop() for _ in range(len(kept.video))]
    assert (np.diff([frame.t for frame in frames]) > 0).all()
    assert kept.device.opened >= 2


@pytest.mark.fault(
    "A source that comes and goes",
    "it gives a few pictures and is lost again",
    "said once, tried less and less often; back once it stays",
)
def test_a_source_that_comes_and_goes_is_said_once(kept):
    kept.device.manner = "flaps"
    kept.until(lambda: kept.device.opened >= 4, timeout=12.0)
    assert len(kept.said) == 1
    kept.device.manner = "well"
    kept.until(lambda: len(kept.said) == 2, timeout=12.0)


@pytest.mark.fault(
    "A device that hangs while it is opened",
    "the driver does not return",
    "the try is given up after 20 s and another one made",
)
def test_a_try_that_hangs_is_survived(kept, monkeypatch):
    monkeypatch.setattr("emostream.streamer.sources.reconnect._OPEN_S", 0.3)
    kept.device.manner = "gone"
    kept.until(lambda: len(kept.states) == 2)
    kept.device.manner = "hangs while opening"
    time.sleep(1.5)
    kept.device.manner = "well"
    kept.until(lambda: len(kept.states) == 4)


@pytest.mark.fault(
    "The sound of a network camera stops",
    "its packets end, those of the pictures go on",
    "status says so; the pictures go on",
)
def test_sound_that_stops_alone_is_said_but_does_not_end_the_pictures(kept):
    kept.device.manner = "mute"
    assert kept.until(lambda: len(kept.states) == 1) < 2.0
    assert kept.states == [("audio", "lost")]
    frames = len(kept.video)
    kept.until(lambda: len(kept.video) > frames + 20)
    kept.device.manner = "well"
    kept.until(lambda: len(kept.states) == 2)
    assert kept.states[1] == ("audio", "running")
    assert kept.device.opened == 1


def test_a_calm_scene_is_no_loss_where_pictures_are_coded_by_what_changes(monkeypatch):
    now = 100.0
    monkeypatch.setattr("emostream.streamer.sources.reconnect.time.monotonic", lambda: now)
    monitor = SourceMonitor(BoundedQueue("frames", 100, "drop_oldest"), lambda state: None)
    writer = monitor.begin(repeats=True, first_s=6.0)
    for _ in range(5):
        assert writer.put(VideoFrame(now, PICTURES[0]))
        now += 0.9 * STALE_S
        assert not monitor.stale


@pytest.mark.parametrize(("codec", "repeats"), [("mjpeg", False), ("libx264", True)])
def test_which_network_streams_may_repeat_a_picture(tmp_path, codec, repeats):
    file = str(tmp_path / "v.mkv")
    with av.open(file, "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(PICTURES[0].repeat(2, 0).repeat(2, 1), format="bgr24")))
        container.mux(stream.encode(None))
    source = NetworkStream(file)
    source.open()
    assert source.repeats is repeats
    source.close()


def test_pauses_grow_up_to_a_bound():
    waits = pauses()
    assert [next(waits) for _ in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_a_picture_that_differs_in_one_pixel_is_new(monkeypatch):
    now = 100.0
    monkeypatch.setattr("emostream.streamer.sources.reconnect.time.monotonic", lambda: now)
    monitor = SourceMonitor(BoundedQueue("frames", 100, "drop_oldest"), lambda state: None)
    writer = monitor.begin(repeats=False, first_s=6.0)
    image = np.full((64, 64, 3), 90, np.uint8)
    other = image.copy()
    other[37, 41, 1] += 1
    stale = []
    for picture in (image, image, other, other):
        assert writer.put(VideoFrame(now, picture))
        now += 0.9 * STALE_S
        stale.append(monitor.stale)
    assert stale == [False, True, False, True]
    assert STALE_S < 2.0


@pytest.mark.fault(
    "Network camera",
    "its server stalls, repeats itself, hangs up, sends garbage, refuses; it comes back with another size and rate",
    "noticed within 2 s each time, read again once it is well; times never turn back",
)
def test_a_network_camera_that_misbehaves_in_every_manner(mjpeg_server):
    mjpeg_server.fps = 40.0
    queue: BoundedQueue = BoundedQueue("frames", 100_000, "drop_oldest")
    states: list[str] = []
    said: list[str] = []
    failures: list[BaseException] = []
    stop = threading.Event()
    source = NetworkStream(mjpeg_server.url)
    source.open()
    playback = Playback(0.0, time.monotonic(), fast=False, live=True, stop=stop)
    reader = ReconnectingReader(
        source,
        {"video": SourceMonitor(queue, states.append)},
        playback,
        lambda name, target: OwnedThread(name, target, failures.append),
        lambda level, message: said.append(message),
    )
    thread = threading.Thread(target=reader.run)
    thread.start()

    def until(count: int) -> float:
        begun = time.monotonic()
        while len(states) < count:
            assert time.monotonic() < begun + 15, (mjpeg_server.manner, states, said)
            time.sleep(0.01)
        return time.monotonic() - begun

    until(1)
    for count, manner in enumerate(["stalled", "frozen", "hung up", "garbage", "refusing"]):
        mjpeg_server.manner = manner
        assert until(2 * count + 2) < 2.0, manner
        mjpeg_server.manner = "well"
        # Another size and frame rate, as after a restart of a camera.
        mjpeg_server.image = np.full((120 + 8 * count, 160 + 8 * count, 3), 90, np.uint8)
        mjpeg_server.fps = 20.0 + 5 * count
        until(2 * count + 3)
    assert states == ["running"] + ["lost", "running"] * 5
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert not failures
    frames = [queue.pop() for _ in range(len(queue))]
    assert (np.diff([frame.t for frame in frames]) > 0).all()
    assert {frame.image.shape[0] for frame in frames} == {240, 120, 128, 136, 144, 152}


def test_outlets_that_are_shut_take_nothing_more():
    queue: BoundedQueue = BoundedQueue("frames", 10, "drop_oldest")
    monitor = SourceMonitor(queue, lambda state: None)
    old, new = monitor.begin(repeats=False, first_s=6.0), monitor.begin(repeats=False, first_s=6.0)
    sinks = Sinks(None, old)
    assert sinks.video is not None
    assert not sinks.video.put(VideoFrame(1.0, PICTURES[0]))
    assert new.put(VideoFrame(2.0, PICTURES[1]))
    assert len(queue) == 1


@pytest.mark.fault(
    "Camera lost while somebody speaks",
    "the MJPEG server of a running `emostream` repeats its last picture",
    "`source_lost` in `reason`; the voice goes on, no segment is missing, the face is back with the camera",
)
def test_a_camera_that_is_unplugged_and_plugged_in_again(mjpeg_server, bundle_folder, tmp_path):
    """The command: status and reason say what is lost, the voice goes on, and no segment is missing."""
    from emostream.trainer.actors.clip import Line, samples

    mjpeg_server.image = portrait()
    voice = write_media(tmp_path / "v.wav", sound=samples((Line("anger", 30.0),), actor=2), pictures=False)
    endpoint = f"ipc://{tmp_path}/events"
    options = ["--camera", mjpeg_server.url, "--mic", voice, "--bundle", bundle_folder, "--publish", endpoint]
    process = subprocess.Popen(
        [*COMMAND, *map(str, options)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    seen: list[EmotionEvent] = []

    def until(reached: Callable[[EmotionEvent | StatusEvent], bool]) -> float:
        begun = time.monotonic()
        for event in events:
            if isinstance(event, EmotionEvent):
                seen.append(event)
            if isinstance(event, EmotionEvent | StatusEvent) and reached(event):
                return time.monotonic() - begun
        raise AssertionError

    with Subscriber(endpoint, status=True, timeout=30.0) as events:
        until(lambda event: isinstance(event, EmotionEvent) and event.modalities.video)
        mjpeg_server.manner = "frozen"
        noticed = until(lambda event: isinstance(event, StatusEvent) and event.sources.video == "lost")
        assert noticed < 2.0 + 0.5  # and the way to here
        until(lambda event: isinstance(event, EmotionEvent) and event.reason.video == "source_lost")
        assert seen[-1].modalities.audio
        mjpeg_server.manner = "well"
        until(lambda event: isinstance(event, StatusEvent) and event.sources.video == "running")
        until(lambda event: isinstance(event, StatusEvent) and event.losses.video == 1)
        until(lambda event: isinstance(event, EmotionEvent) and event.modalities.video)
        back = time.monotonic()
        until(lambda event: time.monotonic() > back + 3.0)
        process.terminate()
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == 0, stderr
    assert "it gives nothing new; trying to open it again" in stderr
    assert "is back after" in stderr
    assert [event.seq for event in seen] == sorted({event.seq for event in seen})
    assert np.diff([event.media_time for event in seen]) == pytest.approx(0.3, abs=1e-3)
    assert {event.dropped.segments for event in seen} == {0}
    assert all(event.modalities.audio or event.reason.audio == "no_voice" for event in seen)
