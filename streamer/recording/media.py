"""Pictures, sound and events of one stream on their way into its media file.

Who does what: the stream's threads and the publisher's put into a bounded queue. The thread "media NAME" alone takes
from it, encodes and writes. Where it falls behind, pictures are dropped first, and counted; sound only once half a
minute of it waits, which is said and leaves silence in its place. Under `--fast` nothing is dropped: whoever puts
waits.

The axis of the file is the stream's grid, the events' `media_time`: sound lies where the segments' sound lies, and
what is missing of it is silence.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.eventlog.timeline import MARGIN_SECONDS, caption, display_interval
from emostream.streamer.pipeline.clock import RecordedClock, StreamClock
from emostream.streamer.protocol.events import EmotionEvent, SourceState
from emostream.streamer.recording.description import MediaDescription
from emostream.streamer.recording.media_file import MediaFile
from emostream.streamer.recording.media_queue import Item, MediaQueue, PlacedSound
from emostream.streamer.threads import OwnedThread, yield_to_others

__all__ = ["MediaRecorder", "Recorded"]

_log = logging.getLogger("emostream")

_WAIT_FOR_PICTURE = 30 * SAMPLE_RATE  # samples of sound, after which the file begins without one
_USUAL_SIZE = (640, 480)
_SOUND_LATE_S = 3.0  # behind the pictures of a live source: what is later is lost
_SETTLING_S = 0.02  # by which a live clock may put its first picture before the grid, in hindsight
_POLL_S = 0.05
_LEAST_FREE = 50_000_000  # bytes; half a day of events
_LOOK_S = 1.0
_TINY_S = 1e-6
_CLOSE_S = 10.0  # to write the rest; whoever is killed meanwhile has a file that can be played


class _RoomError(Exception):
    """The disk has little room left; the file itself is well."""


class Recorded(Protocol):
    """What is asked of a stream."""

    @property
    def name(self) -> str:
        """Of the stream."""

    @property
    def states(self) -> Mapping[str, SourceState]:
        """Of its sources, by modality."""

    @property
    def clock(self) -> StreamClock | None:
        """Between timestamps and the grid; None until the grid begins."""


class MediaRecorder:
    """A `MediaListener` that records its stream. The constructor opens nothing.

    Attributes:
        failure: why the file ends early; None where it doesn't.
    """

    def __init__(self, path: Path, stream: Recorded, *, wait: bool) -> None:
        """Record `stream` into `path`; with `wait`, whoever puts waits for room instead of dropping."""
        self.path, self._stream = path, stream
        self.failure: str | None = None
        self._file = MediaFile(path, f"emostream, stream {stream.name}")
        self._queue = MediaQueue(path, wait=wait)
        self._held: deque[Item] = deque()  # taken, but the file can't begin yet
        self._silence = 0
        self._begun = False
        self._next_look = 0.0  # at how much of the disk is free
        self._thread = OwnedThread(f"media {stream.name}", self._run, self._fail)

    def start(self) -> None:
        """Take what comes from now on; the file is made with the first of it."""
        self._queue.open()
        self._thread.start()

    def on_picture(self, frame: VideoFrame, face: FrameFace) -> None:
        """See `MediaListener`."""
        self._queue.put_picture(frame)

    def on_sound(self, block: AudioBlock, position: int) -> None:
        """See `MediaListener`."""
        self._queue.put_sound(PlacedSound(position, block.samples))

    def on_event(self, event: EmotionEvent) -> None:
        """Take the result of a segment, for a caption; in the publisher's thread."""
        self._queue.put_event(event)

    def close(self) -> None:
        """Write what waits, and end the file."""
        self._queue.close()
        self._thread.join(_CLOSE_S)

    def description(self) -> MediaDescription | None:
        """What there is in the file by now; None where there is none."""
        if not self._begun:
            return None
        return MediaDescription(
            file=self.path.name,
            pictures=self._file.pictures,
            pictures_dropped=self._queue.pictures_dropped,
            sound_s=round(self._file.sound_end / SAMPLE_RATE, 3),
            silence_s=round(self._silence / SAMPLE_RATE, 3),
            sound_dropped_ms=round(1000 * self._queue.samples_dropped / SAMPLE_RATE, 1),
            failure=self.failure,
        )

    def _run(self) -> None:
        yield_to_others()
        while (item := self._queue.take()) is not None:
            clock = self._clock()
            if clock is None:
                return
            self._held.append(item)
            self._write_held(clock)
        if self._held and (clock := self._clock()) is not None:
            self._write_held(clock, anyhow=True)
        if self._begun:
            self._file.close(whole=True)

    def _write_held(self, clock: StreamClock, *, anyhow: bool = False) -> None:
        """Write what was taken, once the file can begin; `anyhow`, since nothing more will come."""
        if self._begun or self._begin(anyhow=anyhow):
            self._keep_room()
            while self._held:
                self._write(self._held.popleft(), clock)

    def _clock(self) -> StreamClock | None:
        """The grid's clock, which the first pictures may be ahead of; None where the session ends before it begins."""
        while (clock := self._stream.clock) is None:
            if not self._queue.stay(_POLL_S):
                return None
        return clock

    def _begin(self, *, anyhow: bool) -> bool:
        """Make the file once it is known how large the pictures are."""
        states = self._stream.states
        size: tuple[int, int] | None = None
        if states["video"] != "off":
            shapes = (item.image.shape for item in self._held if isinstance(item, VideoFrame))
            first = next(shapes, None)
            held = sum(item.samples.size for item in self._held if isinstance(item, PlacedSound))
            if first is None and held < _WAIT_FOR_PICTURE and not anyhow:
                return False
            size = _USUAL_SIZE if first is None else (first[1], first[0])
        self._file.open(size, sound=states["audio"] != "off")
        self._begun = True
        return True

    def _keep_room(self) -> None:
        """Stop before the disk is full, since the events are worth more than what they were recognised from."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_S
            if shutil.disk_usage(self.path.parent).free < _LEAST_FREE:
                raise _RoomError(f"less than {_LEAST_FREE // 1_000_000} MB are free, which events may need")

    def _write(self, item: Item, clock: StreamClock) -> None:
        if isinstance(item, VideoFrame):
            t = clock.to_grid(item.t)
            if t > -_SETTLING_S:
                self._file.add_picture(max(t, 0.0), item.image)
                if self._file.has_sound and not isinstance(clock, RecordedClock):
                    self._fill(round((t - _SOUND_LATE_S) * SAMPLE_RATE))
        elif isinstance(item, PlacedSound):
            self._fill(item.first)
            self._file.add_sound(item.samples[max(0, self._file.sound_end - item.first) :])
        else:
            start, end = display_interval(item.media_time)
            first = start <= MARGIN_SECONDS + _TINY_S  # it has no neighbour before
            self._file.add_caption(0.0 if first else start, end, caption(item))

    def _fill(self, until: int) -> None:
        """Put silence where there is no sound."""
        missing = until - self._file.sound_end
        if missing > 0:
            self._silence += missing
            self._file.add_silence(until)

    def _fail(self, error: BaseException) -> None:
        """The file ends here, and the session goes on."""
        self.failure = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        _log.warning(
            "can't record pictures and sound into %s any more (%s); the session goes on", self.path, self.failure
        )
        self._queue.close(discard=True)
        if self._begun:
            with suppress(OSError):  # it was said
                self._file.close(whole=isinstance(error, _RoomError))
