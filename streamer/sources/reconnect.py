"""Reads a live source, notices that it is lost or stale, and opens it again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.streamer.protocol.events import SourceState
from emostream.streamer.queues import BoundedQueue, Watermark
from emostream.streamer.sources.base import LiveSource, Playback, Sinks
from emostream.streamer.threads import OwnedThread

__all__ = ["STALE_S", "AttemptWriter", "Modality", "ReconnectingReader", "SourceMonitor", "pauses"]

STALE_S = 1.5  # without anything new; a loss is to be known within 2 s
_COARSE = 16  # pixels between those that are compared first

Modality = Literal["audio", "video"]

_POLL_S = 0.1
_OPEN_S = 20.0  # longer than network streams take to give up
_CLOSE_S = 0.3  # for the reader to end once the stream stops
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_STAYING_S = 2.0  # after which a source that gives something is back


class SourceMonitor:
    """One modality of a live source. It outlives losses of the source: every attempt at it has its own `AttemptWriter`.

    A driver that has lost its camera may give the last picture for ever, so a picture that equals the one before is
    nothing new. Items pass while the source is alive, and the first one after a loss says so.

    Attributes:
        given_since: monotonic time of the first new item of this attempt, in seconds; None before.
    """

    def __init__(self, queue: BoundedQueue[Any], on_state: Callable[[SourceState], None]) -> None:
        """Put items into `queue`, and call `on_state` at each loss and return, in the thread that detects it."""
        self._queue, self._on_state = queue, on_state
        self._state: SourceState = "waiting"
        self._deadline = 0.0
        self._repeats = False
        self._picture: npt.NDArray[np.uint8] | None = None
        self._broken = False
        self._lock = threading.Lock()
        self._writer: AttemptWriter | None = None
        self.given_since: float | None = None

    @property
    def stale(self) -> bool:
        """Whether the source has given nothing new for too long."""
        return time.monotonic() > self._deadline

    def begin(self, *, repeats: bool, first_s: float) -> AttemptWriter:
        """The way of a new attempt at the source; see `LiveSource` for both."""
        with self._lock:
            self._deadline = time.monotonic() + first_s
            self._repeats = repeats
            self.given_since = None
            self._writer = AttemptWriter(self)
            return self._writer

    def shut(self) -> None:
        """Let nothing more of this attempt through."""
        with self._lock:
            self._writer = None

    def lose(self) -> None:
        """The source is lost: what comes next does not follow what came before."""
        with self._lock:
            self._broken = True
            self._turn("lost")

    def close(self) -> None:
        """Nothing more will come."""
        self._queue.close()

    def take(self, item: AudioBlock | VideoFrame | Watermark, writer: AttemptWriter) -> bool:
        """Take an item of the attempt that `writer` belongs to; False once nobody wants it."""
        with self._lock:  # so that nothing of a given-up attempt comes after something of the next
            if writer is not self._writer:
                return False
            if isinstance(item, Watermark):
                return self._queue.put(item)
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
            return self._queue.put(item)

    def _turn(self, state: SourceState) -> None:
        if state != self._state:
            self._state = state
            self._on_state(state)

    def _is_new(self, item: AudioBlock | VideoFrame) -> bool:
        if isinstance(item, AudioBlock) or self._repeats:
            return True
        before, self._picture = self._picture, item.image
        return before is None or not _equal(before, item.image)


class AttemptWriter:
    """What one attempt at a source puts its items into."""

    def __init__(self, monitor: SourceMonitor) -> None:
        """Lead into `monitor`, until that begins another attempt."""
        self._monitor = monitor

    def put(self, item: AudioBlock | VideoFrame | Watermark) -> bool:
        """See `Sink`."""
        return self._monitor.take(item, self)

    def close(self, *, end: float | None = None) -> None:
        """See `Sink`. A live source has no end: it is lost, or the stream stops."""


def _equal(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    """Whether two pictures are the same; a few of their pixels nearly always tell that they aren't."""
    if one.shape != other.shape or not np.array_equal(one[::_COARSE, ::_COARSE], other[::_COARSE, ::_COARSE]):
        return False
    return np.array_equal(one, other)


def pauses() -> Iterator[float]:
    """Seconds before each try to open a lost source again: growing, so that a dead one costs next to nothing."""
    pause = _FIRST_PAUSE_S
    while True:
        yield pause
        pause = min(2.0 * pause, _LONGEST_PAUSE_S)


class ReconnectingReader:
    """Reads a live source in a thread of its own, watches it, and opens it again when it is lost.

    A reader that is stuck in its driver is left behind, and shut out: nothing of it comes after what the next one
    gives. A source that comes and goes is said to be back only once it stays.
    """

    def __init__(
        self,
        source: LiveSource,
        monitors: Mapping[Modality, SourceMonitor],
        playback: Playback,
        make_thread: Callable[[str, Callable[[], None]], OwnedThread],
        say: Callable[[int, str], None],
    ) -> None:
        """Keep a source that is open.

        Args:
            source: to read first.
            monitors: for what is wanted of it.
            playback: of the stream; its `stop` ends all.
            make_thread: makes a thread, by its name, whose unexpected exception ends the stream.
            say: tells the user of a loss and of a return, at a level of the log.
        """
        self._source, self._monitors, self._playback = source, monitors, playback
        self._make_thread, self._say = make_thread, say
        self._stop = playback.stop
        self._decisive = (
            monitors["video"] if "video" in monitors else monitors["audio"]
        )  # sound may pause where nobody speaks
        self._lost_at: float | None = None
        self._waits = pauses()
        self._refusal = ""

    def run(self) -> None:
        """Work until the stream stops."""
        while not self._stop.is_set():
            reason = self._attempt()
            if self._stop.is_set():
                break
            if self._lost_at is None:
                self._lost_at = time.monotonic()
                self._say(logging.WARNING, f"{reason}; trying to open it again")
            else:
                self._say(logging.DEBUG, reason)
            self._open_again()
        for monitor in self._monitors.values():
            monitor.close()

    def _attempt(self) -> str:
        """Read until the source is lost, or the stream stops; why it is lost."""
        source = self._source
        writers = {
            modality: monitor.begin(repeats=source.repeats, first_s=source.first_s)
            for modality, monitor in self._monitors.items()
        }
        given_up = threading.Event()
        outcome: list[str] = []

        def read() -> None:
            try:
                source.run(Sinks(writers.get("audio"), writers.get("video")), replace(self._playback, stop=given_up))
            except SourceError as error:
                outcome.append(str(error))
            finally:
                source.close()

        reader = self._make_thread(f"read {source.name}", read)
        reader.start()
        while reader.alive and not self._stop.is_set() and not self._stale():
            reader.wait(_POLL_S)
            self._note_return()
        given_up.set()
        for monitor in self._monitors.values():
            monitor.shut()
        if self._stop.is_set():
            reader.join(_CLOSE_S)
        else:
            for monitor in self._monitors.values():
                monitor.lose()
        if reader.alive:
            source.abandon()
        return (outcome or [f"{source.name} was lost: it gives nothing new"])[0]

    def _stale(self) -> bool:
        """Whether the source is to be opened again: where it has pictures, these decide."""
        for monitor in self._monitors.values():
            if monitor.stale:
                monitor.lose()
        return self._decisive.stale

    def _note_return(self) -> None:
        since = self._decisive.given_since
        if since is None or time.monotonic() - since < _STAYING_S:
            return
        self._waits = pauses()
        if self._lost_at is not None:
            self._say(logging.INFO, f"{self._source.name} is back after {since - self._lost_at:.1f} s")
            self._lost_at = None
            self._refusal = ""

    def _open_again(self) -> None:
        """Open another one of the source, however long that takes; returns when it is open, or the stream stops."""
        for pause in self._waits:
            if self._stop.wait(pause):
                return
            source = self._source.reopen()
            if self._open(source):
                self._source = source
                return

    def _open(self, source: LiveSource) -> bool:
        """Open a source in a thread of its own, since a driver may not let go; whether it is open."""
        claim = threading.Lock()  # of the one who decides first: opened in time, or given up
        opened = threading.Event()

        def open_it() -> None:
            try:
                source.open()
            except SourceError as error:
                refusal = str(error)
                self._say(logging.DEBUG if refusal == self._refusal else logging.WARNING, refusal)
                self._refusal = refusal
                return
            if claim.acquire(blocking=False):
                opened.set()
            else:
                source.close()

        opening = self._make_thread(f"open {source.name}", open_it)
        opening.start()
        until = time.monotonic() + _OPEN_S
        while opening.alive and not self._stop.is_set() and time.monotonic() < until:
            opening.wait(_POLL_S)
        if opened.is_set() or not claim.acquire(blocking=False):
            opened.wait()
            if not self._stop.is_set():
                return True
            source.close()
        return False
