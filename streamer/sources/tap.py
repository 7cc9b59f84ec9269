"""The way of a live source's items into their queue, watched for sources that have nothing new to say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.streamer.events import SourceState
from emostream.streamer.queues import Inlet, Pause

__all__ = ["STALE_S", "Tap", "Valve"]

STALE_S = 1.5  # without anything new; a loss is to be known within 2 s
_COARSE = 16  # pixels between those that are compared first


class Tap:
    """One modality of a live source. It outlives losses of the source: every attempt at it has a `Valve` of its own.

    A driver that has lost its camera may give the last picture for ever, so a picture that equals the one before is
    nothing new. Items pass while the source is alive, and the first one after a loss says so.

    Attributes:
        given_since: monotonic time of the first new item of this attempt, in seconds; None before.
    """

    def __init__(self, inlet: Inlet[Any], on_state: Callable[[SourceState], None]) -> None:
        """Fill `inlet`; `on_state` is told, in the thread that finds out, of each loss and return."""
        self._inlet, self._on_state = inlet, on_state
        self._state: SourceState = "waiting"
        self._deadline = 0.0
        self._repeats = False
        self._picture: npt.NDArray[np.uint8] | None = None
        self._broken = False
        self._lock = threading.Lock()
        self._valve: Valve | None = None
        self.given_since: float | None = None

    @property
    def stale(self) -> bool:
        """Whether the source has given nothing new for too long."""
        return time.monotonic() > self._deadline

    def begin(self, *, repeats: bool, first_s: float) -> Valve:
        """The way of a new attempt at the source; see `LiveSource` for both."""
        with self._lock:
            self._deadline = time.monotonic() + first_s
            self._repeats = repeats
            self.given_since = None
            self._valve = Valve(self)
            return self._valve

    def shut(self) -> None:
        """Let nothing more of this attempt through."""
        with self._lock:
            self._valve = None

    def lose(self) -> None:
        """The source is lost: what comes next does not follow what came before."""
        with self._lock:
            self._broken = True
            self._turn("lost")

    def close(self) -> None:
        """Nothing more will come."""
        self._inlet.close()

    def take(self, item: AudioBlock | VideoFrame | Pause, valve: Valve) -> bool:
        """Take in an item that came through a valve; False once nobody wants it."""
        with self._lock:  # so that nothing of a given-up attempt comes after something of the next
            if valve is not self._valve:
                return False
            if isinstance(item, Pause):
                return self._inlet.put(item)
            if self._is_new(item):
                now = time.monotonic()
                self._deadline = now + STALE_S
                if self.given_since is None:
                    self.given_since = now
                self._turn("running")
            if self._state != "running":
                return True
            if self._broken and isinstance(item, AudioBlock):
                item = replace(item, lost=True)
            self._broken = False
            return self._inlet.put(item)

    def _turn(self, state: SourceState) -> None:
        if state != self._state:
            self._state = state
            self._on_state(state)

    def _is_new(self, item: AudioBlock | VideoFrame) -> bool:
        if isinstance(item, AudioBlock) or self._repeats:
            return True
        before, self._picture = self._picture, item.image
        return before is None or not _equal(before, item.image)


class Valve:
    """What one attempt at a source puts its items into."""

    def __init__(self, tap: Tap) -> None:
        """Lead into `tap`, until that begins another attempt."""
        self._tap = tap

    def put(self, item: AudioBlock | VideoFrame | Pause) -> bool:
        """See `Outlet`."""
        return self._tap.take(item, self)

    def close(self, *, end: float | None = None) -> None:
        """See `Outlet`. A live source has no end: it is lost, or the stream stops."""


def _equal(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    """Whether two pictures are the same; a few of their pixels nearly always tell that they aren't."""
    if one.shape != other.shape or not np.array_equal(one[::_COARSE, ::_COARSE], other[::_COARSE, ::_COARSE]):
        return False
    return np.array_equal(one, other)
