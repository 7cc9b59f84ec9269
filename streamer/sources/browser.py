"""The camera and the microphone of whoever has the page open: `--camera browser`, `--mic browser`."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame, jpeg_size
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.sources.base import LiveSource, Playback, Sinks
from emostream.streamer.sources.block_ring import RawBlock
from emostream.streamer.sources.timestamps import BlockStamper, RunningMinimum

__all__ = ["Browser", "BrowserClient", "BrowserSlot", "SentPicture", "SentSound"]

_WAITING_PICTURES = 8
_WAITING_SOUND = 150  # 3 s at 20 ms
_POLL_S = 0.1
_CLOCK_S = 30.0  # long enough to meet a message that nothing held up, short enough to follow drift
_STEP_S = 3.0  # by which no message is held up, so that the clock itself was set, or stood still in a sleep
_MOST_PIXELS = 4096 * 2304
_USUAL_LATENCY_S = 0.01  # of a browser's microphone, which most don't tell

Item = TypeVar("Item")


@dataclass(frozen=True)
class SentPicture:
    """A picture as a browser sent it: its capture time by the browser's clock, in seconds, and a JPEG."""

    t: float
    jpeg: bytes


@dataclass(frozen=True, eq=False)
class SentSound:
    """A block of sound as a browser sent it.

    Attributes:
        arrived: when the page had all of it, by the browser's clock, in seconds.
        rate: samples a second.
        samples: int16 [n], mono.
        lost: samples were lost just before it.
    """

    arrived: float
    rate: int
    samples: npt.NDArray[np.int16]
    lost: bool = False


class BrowserClient:
    """A browser that gives its pictures and its sound, and has a clock of its own.

    Attributes:
        pictures: from it.
        sound: from it.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.pictures = BoundedQueue[SentPicture]("browser pictures", _WAITING_PICTURES, "drop_oldest")
        self.sound = BoundedQueue[SentSound]("browser sound", _WAITING_SOUND, "drop_oldest", mark_loss=_after_loss)
        self._offset = RunningMinimum(_CLOCK_S)
        self._heard = False
        self._lock = threading.Lock()

    def note_sent(self, sent: float) -> None:
        """A message has come that was sent at this time of the browser's clock, in seconds.

        A message can come late, never early, so the one that was held up least tells how the clocks differ.
        """
        now = time.monotonic()
        with self._lock:
            if self._heard and abs(now - sent - self._offset.value) > _STEP_S:
                self._offset = RunningMinimum(_CLOCK_S)
            self._offset.push(now, now - sent)
            self._heard = True

    def monotonic(self, t: float) -> float:
        """The monotonic time of a time of the browser's clock, both in seconds; something must have come.

        It is never later than now, whatever the browser says.
        """
        with self._lock:
            return min(t + self._offset.value, time.monotonic())

    def leave(self) -> None:
        """Nothing more will come."""
        self.pictures.close()
        self.sound.close()


class BrowserSlot:
    """Where a browser comes into a stream; one at a time."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._lock = threading.Lock()
        self.client: BrowserClient | None = None

    def enter(self) -> BrowserClient | None:
        """Come in; None where another browser is in."""
        with self._lock:
            if self.client is not None:
                return None
            self.client = BrowserClient()
            return self.client

    def leave(self, client: BrowserClient) -> None:
        """Go out."""
        client.leave()
        with self._lock:
            if self.client is client:
                self.client = None


class Browser(LiveSource):
    """The camera or the microphone of a browser. It waits for one however long that takes."""

    repeats = True  # the browser itself says which pictures are new
    first_s = math.inf

    def __init__(self, browser_slot: BrowserSlot, track: Literal["audio", "video"]) -> None:
        """Take one of the two from whoever comes in."""
        self.name = f"the browser's {'microphone' if track == 'audio' else 'camera'}"
        self._slot, self._track = browser_slot, track

    def open(self) -> None:
        """See `Source`; there is nothing to open before a browser comes."""

    def run(self, sinks: Sinks, playback: Playback) -> None:
        """See `Source`."""
        while (client := self._slot.client) is None:
            if playback.stop.wait(_POLL_S):
                return
        if self._track == "audio":
            self._run_sound(client, sinks, playback.stop)
        else:
            self._run_pictures(client, sinks, playback.stop)
        if not playback.stop.is_set():
            raise SourceError(f"{self.name} was lost: the page was closed, or stopped giving it")

    def close(self) -> None:
        """See `Source`."""

    def reopen(self) -> Self:
        """See `LiveSource`."""
        return type(self)(self._slot, self._track)

    def _run_pictures(self, client: BrowserClient, sinks: Sinks, stop: threading.Event) -> None:
        assert sinks.video is not None
        for sent in _taken(client.pictures, stop):
            image = _decoded(sent.jpeg)
            if image is not None and not sinks.video.put(VideoFrame(client.monotonic(sent.t), image)):
                return

    def _run_sound(self, client: BrowserClient, sinks: Sinks, stop: threading.Event) -> None:
        assert sinks.audio is not None
        stamper, rate = None, 0
        for sent in _taken(client.sound, stop):
            if stamper is None or sent.rate != rate:
                stamper, rate = BlockStamper(sent.rate, _USUAL_LATENCY_S), sent.rate
            samples = (sent.samples / np.float32(32768.0)).astype(np.float32)[:, np.newaxis]
            for block in stamper.push(RawBlock(sent.arrived, None, samples, sent.lost)):
                if not sinks.audio.put(AudioBlock(client.monotonic(block.t), block.samples, block.lost)):
                    return


def _taken(queue: BoundedQueue[Item], stop: threading.Event) -> Iterator[Item]:
    """What comes, until nothing more will, or the stream stops."""
    while not stop.is_set():
        with queue.condition:
            item = queue.pop()
            if item is None:
                if queue.ended:
                    return
                queue.condition.wait(_POLL_S)
                continue
        yield item


def _decoded(jpeg: bytes) -> npt.NDArray[np.uint8] | None:
    """The picture in BGR; None where it is none, or so large that it may be meant to fill the memory."""
    size = jpeg_size(jpeg)
    if size is None or not 0 < size[0] * size[1] <= _MOST_PIXELS:
        return None
    image: Any = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _after_loss(sound: SentSound) -> SentSound:
    return replace(sound, lost=True)
