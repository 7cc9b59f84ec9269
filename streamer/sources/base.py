"""What every source offers, and how recordings are played."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, TypeVar

from typing_extensions import Self

from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.streamer.queues import Watermark

__all__ = ["LiveSource", "Playback", "Sink", "Sinks", "Source"]

Item = TypeVar("Item", contravariant=True)


class Sink(Protocol[Item]):
    """Where a source puts the items of one modality."""

    def put(self, item: Item, /) -> bool:
        """Hand an item on; False once nobody wants it."""

    def close(self, *, end: float | None = None) -> None:
        """Say that nothing more will come; what came ends at `end`, in the source's own timestamps."""


@dataclass(frozen=True)
class Sinks:
    """Where a source puts what it captures; None for a modality that is not wanted of it."""

    audio: Sink[AudioBlock | Watermark] | None
    video: Sink[VideoFrame | Watermark] | None

    def finish(self) -> None:
        """Say that nothing more will come."""
        for sink in (self.audio, self.video):
            if sink is not None:
                sink.close()


@dataclass(frozen=True)
class Playback:
    """How recordings are played: media time `t0` is due at monotonic time `started_at`.

    Attributes:
        t0: media time in seconds of the session's start.
        started_at: monotonic time in seconds.
        fast: as quickly as possible instead of at their own pace.
        live: beside a live source, so that media times become monotonic ones.
        stop: ends every wait.
    """

    t0: float
    started_at: float
    fast: bool
    live: bool
    stop: threading.Event

    def wait_until(self, t: float) -> bool:
        """Sleep until media time `t` is due; False if the session stops first."""
        if self.fast:
            return not self.stop.is_set()
        return not self.stop.wait(max(0.0, self.started_at + t - self.t0 - time.monotonic()))

    def stamp(self, t: float) -> float:
        """The timestamp of media time `t`."""
        return self.started_at + t - self.t0 if self.live else t


class Source(ABC):
    """A device, file or URL. The constructor opens nothing.

    Attributes:
        name: what users call it.
        recorded: whether it plays a recording, whose timestamps are media times.
        start_time: media time of its beginning, in seconds; None for a live source.
    """

    name: str
    recorded: bool = False
    start_time: float | None = None

    @abstractmethod
    def open(self) -> None:
        """Open it.

        Raises:
            SourceError: there is no such source, or it can't be read.
        """

    @abstractmethod
    def run(self, sinks: Sinks, playback: Playback) -> None:
        """Capture until the end or until the sinks close; called in the source's own thread.

        Raises:
            SourceError: the source was lost.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the device or file; called after `run` has ended, or where it never began."""


class LiveSource(Source):
    """A device or URL that may be lost and come back.

    Attributes:
        repeats: whether a source that is well may give a picture twice: where pictures are coded by what changes, one
            in which nothing does is the same.
        first_s: seconds within which one that was opened gives something; some cameras take long to begin.
    """

    repeats: bool = False
    first_s: float = 6.0

    @abstractmethod
    def reopen(self) -> Self:
        """Another one of the same device or URL, not open yet; the one before may be stuck in its driver."""

    def abandon(self) -> None:
        """Let go of a device whose reader is stuck, from another thread."""
