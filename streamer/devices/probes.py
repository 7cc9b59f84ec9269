"""Opens a source for a moment and measures what a camera shows and a microphone hears."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from emostream.engines.errors import SourceError
from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.frontend.voice import CHUNK_SAMPLES, SpeechTrack
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.queues import Watermark
from emostream.streamer.sources.base import LiveSource, Playback, Sinks, Source
from emostream.streamer.threads import OwnedThread

__all__ = ["CameraProbe", "MicrophoneProbe", "Probe", "Trial"]

_OPEN_S = 15.0  # longer than a sound server or a network camera takes that is well
_FIRST_S = 5.0  # from then to the first picture or sound
_CLOSE_S = 1.0

_METER_S = 0.2  # of sound that the live meter shows
_SILENCE = 1e-20  # -200 dB


class Probe(Protocol):
    """Takes what a source gives."""

    @property
    def first(self) -> float | None:
        """Monotonic time in seconds at which the first picture or sound came; None before."""

    def sinks(self) -> Sinks:
        """Where the source is to put what it captures."""


class Trial:
    """Opens a source and reads it for a while, in its own thread, since a driver's call may never return.

    Attributes:
        source: the source.
        failure: why it can't be opened, or was lost; None while all is well.
    """

    def __init__(self, source: Source, probe: Probe) -> None:
        """Try this source; the constructor opens nothing."""
        self.source, self._probe = source, probe
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
        now, first = time.monotonic(), self._probe.first
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
                self.source.run(self._probe.sinks(), playback)
            finally:
                self.source.close()
        except SourceError as error:
            self.failure = str(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = f"{self.source.name} failed: {type(error).__name__}: {error}"


class CameraProbe:
    """Takes pictures from the source's thread; whoever asks looks for a face in the newest.

    Attributes:
        first: see `Probe`.
        frame: the newest picture.
        frames: how many came.
        seen: what `look` found in the last one that it looked at.
        faces: what it found in the last one with a face, and that picture; None where there was none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing; `clock` tells when a picture came, in seconds."""
        self._clock = clock
        self.first: float | None = None
        self.frame: VideoFrame | None = None
        self.frames = 0
        self.seen: FrameFace | None = None
        self.face: tuple[FrameFace, VideoFrame] | None = None
        self._newest = 0.0
        self._tracker = FaceTracker(choose_detector().make())

    def sinks(self) -> Sinks:
        """See `Probe`."""
        return Sinks(None, self)

    def put(self, item: VideoFrame | Watermark) -> bool:
        """Take a picture."""
        if isinstance(item, VideoFrame):
            self._newest = self._clock()
            self.frames += 1
            self.frame = item
            if self.first is None:
                self.first = self._newest
        return True

    def close(self, *, end: float | None = None) -> None:
        """Nothing more will come."""

    @property
    def rate(self) -> float:
        """Pictures a second."""
        span = self._newest - (self.first or 0.0)
        return (self.frames - 1) / span if self.frames > 1 and span > 0 else 0.0

    def look(self) -> None:
        """Look at the newest picture."""
        frame = self.frame
        if frame is None or (self.seen is not None and frame.t <= self.seen.t):
            return
        self.seen = self._tracker.update(frame.t, frame.image)
        if self.seen.box is not None:
            self.face = self.seen, frame


class MicrophoneProbe:
    """Takes sound from the source's thread.

    Attributes:
        first: see `Probe`.
        speech: whether there was any.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.first: float | None = None
        self.speech = False
        self._speech = SpeechTrack()
        self._rest = np.zeros(0, np.float32)
        self._recent: deque[tuple[float, int]] = deque()
        self._total, self._samples = 0.0, 0

    def sinks(self) -> Sinks:
        """See `Probe`."""
        return Sinks(self, None)

    def put(self, item: AudioBlock | Watermark) -> bool:
        """Take a block of sound."""
        if isinstance(item, AudioBlock) and item.samples.size:
            self._measure(item.samples)
            self._listen(item.samples)
            if self.first is None:
                self.first = time.monotonic()
        return True

    def close(self, *, end: float | None = None) -> None:
        """Nothing more will come."""

    @property
    def speaking(self) -> bool:
        """Whether there is speech just now."""
        return self._speech.speaking

    @property
    def level(self) -> float:
        """Of all that came, in dB of full scale; -200 for digital silence."""
        return _decibels(self._total, self._samples)

    @property
    def level_now(self) -> float:
        """Of the last fifth of a second."""
        recent = list(self._recent)
        return _decibels(sum(total for total, _ in recent), sum(count for _, count in recent))

    def _measure(self, samples: npt.NDArray[np.float32]) -> None:
        total = float(np.square(samples, dtype=np.float64).sum())
        self._total += total
        self._samples += samples.size
        self._recent.append((total, samples.size))
        while sum(count for _, count in self._recent) > max(_METER_S * SAMPLE_RATE, samples.size):
            self._recent.popleft()

    def _listen(self, samples: npt.NDArray[np.float32]) -> None:
        waiting = np.concatenate((self._rest, samples))
        whole = waiting.size // CHUNK_SAMPLES * CHUNK_SAMPLES
        for start in range(0, whole, CHUNK_SAMPLES):
            self._speech.push(waiting[start : start + CHUNK_SAMPLES], CHUNK_SAMPLES)
            self.speech |= self._speech.speaking
        self._rest = waiting[whole:]


def _decibels(total: float, count: int) -> float:
    return 10.0 * math.log10(max(total / count, _SILENCE)) if count else -200.0
