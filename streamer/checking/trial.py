"""Trying a source for a moment."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from emostream.engines.errors import SourceError
from emostream.streamer.sources.base import LiveSource, Outlets, Playback, Source
from emostream.streamer.threads import OwnedThread

__all__ = ["Sense", "Trial"]

_OPEN_S = 15.0  # longer than a sound server or a network camera takes that is well
_FIRST_S = 5.0  # from then to the first picture or sound
_CLOSE_S = 1.0


class Sense(Protocol):
    """Takes what a source gives."""

    @property
    def first(self) -> float | None:
        """Monotonic time in seconds at which the first picture or sound came; None before."""

    def outlets(self) -> Outlets:
        """Where the source is to put what it captures."""


class Trial:
    """Opens a source in a thread of its own, since a driver may never return, and reads it for a while.

    Attributes:
        source: the source.
        failure: why it can't be opened, or was lost; None while all is well.
    """

    def __init__(self, source: Source, sense: Sense) -> None:
        """Try this source; the constructor opens nothing."""
        self.source, self._sense = source, sense
        self.failure: str | None = None
        self._begun = 0.0
        self._opened = threading.Event()
        self._stop = threading.Event()
        self._thread = OwnedThread(f"check {source.name}", self._read, self._fail)

    def start(self) -> None:
        """Begin to open it."""
        self._begun = time.monotonic()
        self._thread.start()

    def running(self, seconds: float) -> bool:
        """Whether it goes on: until something has come for so many seconds, or the source has failed or ended."""
        now, first = time.monotonic(), self._sense.first
        if not self._thread.alive or self.failure:
            return False
        if first is not None:
            return now - first < seconds
        if not self._opened.is_set():
            if now - self._begun > _OPEN_S:
                self.failure = f"{self.source.name} can't be opened: its driver did not answer within {_OPEN_S:.0f} s"
        elif now - self._begun > _FIRST_S:
            self.failure = f"{self.source.name} gives nothing; is another program using it?"
        return self.failure is None

    def end(self) -> None:
        """Close it; what is stuck in its driver is left behind."""
        self._stop.set()
        self._thread.wait(_CLOSE_S)
        if self._thread.alive and self._opened.is_set() and isinstance(self.source, LiveSource):
            self.source.abandon()

    def _read(self) -> None:
        try:
            self.source.open()
            self._begun = now = time.monotonic()
            self._opened.set()
            playback = Playback(self.source.start_time or 0.0, now, fast=False, live=True, stop=self._stop)
            try:
                self.source.run(self._sense.outlets(), playback)
            finally:
                self.source.close()
        except SourceError as error:
            self.failure = str(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = f"{self.source.name} failed: {type(error).__name__}: {error}"
