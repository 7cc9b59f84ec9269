"""What waits to be encoded: bounded, with pictures that are dropped first, and counted."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from emostream.engines.media.video import VideoFrame
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.protocol.events import EmotionEvent

__all__ = ["Item", "MediaQueue", "PlacedSound"]

_log = logging.getLogger("emostream")

_MOST_PICTURE_BYTES = 64_000_000  # two seconds of 640 x 480
_LEAST_PICTURES = 4  # however large they are
_MOST_SOUND = 30 * SAMPLE_RATE
_MOST_EVENTS = 1000


@dataclass(frozen=True, eq=False)
class PlacedSound:
    """Float32 mono samples of 16 kHz, and the grid position of the first one."""

    first: int
    samples: npt.NDArray[np.float32]


Item: TypeAlias = VideoFrame | PlacedSound | EmotionEvent


class MediaQueue:
    """From the threads of a stream to the one that encodes. What has no room is dropped, or waits.

    Attributes:
        pictures_dropped: how many.
        samples_dropped: of sound.
    """

    def __init__(self, file: Path, *, wait: bool) -> None:
        """Make an empty queue, which takes nothing before `open`.

        Args:
            file: that is written, for the log.
            wait: whoever puts waits for room.
        """
        self._file, self._wait = file, wait
        self._changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._picture_bytes = self._pictures = self._samples = self._events = 0  # that wait
        self._open = False
        self.pictures_dropped = self.samples_dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def open(self) -> None:
        """Take what comes from now on."""
        self._open = True

    def put_picture(self, frame: VideoFrame) -> None:
        """Append a picture."""
        size = frame.image.nbytes
        with self._changed:
            if not self._admit(lambda: self._pictures < _LEAST_PICTURES or self._fits(size)):
                if self._open:
                    self.pictures_dropped += 1
                    if self.pictures_dropped == 1:
                        _log.warning("recording %s falls behind; pictures of it are dropped", self._file)
                return
            self._picture_bytes += size
            self._pictures += 1
            self._append(frame)

    def put_sound(self, sound: PlacedSound) -> None:
        """Append sound."""
        count = sound.samples.size
        with self._changed:
            if not self._admit(lambda: self._samples < _MOST_SOUND):
                if self._open:
                    if not self.samples_dropped:
                        behind = _MOST_SOUND // SAMPLE_RATE
                        _log.warning("recording %s is %d s behind; sound of it is lost", self._file, behind)
                    self.samples_dropped += count
                return
            self._samples += count
            self._append(sound)

    def put_event(self, event: EmotionEvent) -> None:
        """Append the result of a segment; the events' own file has it anyway."""
        with self._changed:
            if self._open and self._events < _MOST_EVENTS:
                self._events += 1
                self._append(event)

    def take(self) -> Item | None:
        """Wait for the oldest item; None once it is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or not self._open)
            if not self._items:
                return None
            item = self._items.popleft()
            if isinstance(item, VideoFrame):
                self._pictures -= 1
                self._picture_bytes -= item.image.nbytes
            elif isinstance(item, PlacedSound):
                self._samples -= item.samples.size
            else:
                self._events -= 1
            self._changed.notify_all()
            return item

    def stay(self, seconds: float) -> bool:
        """Wait a little, as something else is missing; False once it is closed."""
        with self._changed:
            if self._open:
                self._changed.wait(seconds)
            return self._open

    def close(self, *, discard: bool = False) -> None:
        """Let nothing more in; with `discard`, throw away what waits."""
        with self._changed:
            self._open = False
            if discard:
                self._items.clear()
            self._changed.notify_all()

    def _admit(self, roomy: Callable[[], bool]) -> bool:
        """Whether something may come in; called, and returns, with the lock held."""
        if self._wait:
            self._changed.wait_for(lambda: not self._open or roomy())
        return self._open and roomy()

    def _fits(self, size: int) -> bool:
        return self._picture_bytes + size <= _MOST_PICTURE_BYTES

    def _append(self, item: Item) -> None:
        self._items.append(item)
        self._changed.notify_all()
