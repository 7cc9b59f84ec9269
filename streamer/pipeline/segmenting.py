"""The segmenting thread: blocks of audio and faces in, segments out, each as soon as it can leave.

A segment leaves when its audio is complete and the frame after its end has come. With a live source it also leaves,
with what there is, 100 ms after its end could have arrived: a microphone far away (Bluetooth, a sound server) is always
late by its own latency, and no deadline could be kept without it. Recordings wait for their own tracks only, so
their segments never depend on load.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.grid import seconds, segment_count, segment_end
from emostream.engines.frontend.placement import AudioPlacer
from emostream.engines.frontend.segmenter import Segment, Segmenter
from emostream.engines.media.audio import AudioBlock
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.pipeline.clock import LiveClock, RecordedClock, StreamClock
from emostream.streamer.pipeline.media_listener import MediaListener
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.pipeline.segment_queue import SegmentQueue, TimedSegment
from emostream.streamer.pipeline.stream_queues import StreamQueues
from emostream.streamer.queues import BoundedQueue, Watermark

__all__ = ["Segmenting", "SegmentingOptions"]

_DEADLINE_S = 0.1  # after the end of a live segment, and what its sources are usually late
_MAX_USUAL_S = 0.5
_USUAL_ITEMS = 50
_MAX_AHEAD_S = 2.0
_LONG_S = 60.0  # something will be put, or closed, before
_USUAL_FOR_S = 1.0  # a source that gives nothing for so long is not waited for
_FIRST_WAIT_S = 0.1  # for a second live source, once the first has given something
_SILENT_START_S = 1.0  # live sources that give nothing: the grid begins without them


@dataclass(frozen=True)
class SegmentingOptions:
    """How a session is cut.

    Attributes:
        clock: of recordings; None for live sources, whose clock begins with their first timestamp.
        unix_offset: Unix time minus monotonic time, in seconds, fixed for the session.
        duration_s: grid time after which the session ends; None for no limit.
    """

    clock: RecordedClock | None
    unix_offset: float
    duration_s: float | None


class _Lateness:
    """How late a source's blocks or frames usually come."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=_USUAL_ITEMS)
        self._last = float("-inf")

    def note(self, captured_at: float) -> None:
        """An item of a live source has come whose end was captured at this monotonic time."""
        self._last = time.monotonic()
        self._late.append(self._last - captured_at)

    @property
    def usual(self) -> float:
        """In seconds; 0 for a source that gives nothing."""
        if time.monotonic() - self._last > _USUAL_FOR_S:
            return 0.0
        return min(max(self._late, default=0.0), _MAX_USUAL_S)


class Segmenting:
    """Owns the grid: the segmenter, the clock, and the place of every block on it.

    Attributes:
        clock: of the grid; None until it has begun. Any thread may ask it.
    """

    def __init__(
        self,
        queues: StreamQueues,
        segments: SegmentQueue,
        meters: Meters,
        options: SegmentingOptions,
        media_listeners: Sequence[MediaListener] = (),
    ) -> None:
        """Read sound and faces from `queues`; write `segments`."""
        self._audio, self._faces, self._condition = queues.audio, queues.faces, queues.condition
        self._segments, self._meters, self._options = segments, meters, options
        self._listeners = media_listeners
        self._segmenter = Segmenter(audio=self._audio is not None, video=self._faces is not None)
        self._audio_lateness, self._video_lateness = _Lateness(), _Lateness()
        self.clock: StreamClock | None = options.clock
        self._next_frame = float("-inf")  # grid time before which no frame will come
        self._limit: int | None = None  # number of segments, once it is known
        if options.duration_s is not None:
            self._limit = segment_count(options.duration_s)

    def run(self) -> None:
        """Work until the sources have ended or the session stops; then the segments end too."""
        clock: StreamClock | None = self._options.clock or self._first_timestamp()
        if clock is not None:
            self._clock = self.clock = clock
            self._placer = AudioPlacer(self._segmenter, clock)
            while self._limit is None or self._segmenter.next_index < self._limit:
                if not self._step():
                    break
        self._segments.close()

    def _first_timestamp(self) -> LiveClock | None:
        """The clock of live sources: its grid begins at the earliest timestamp of any of them."""
        queues = [queue for queue in (self._audio, self._faces) if queue is not None]
        begun = time.monotonic()
        with self._condition:
            self._condition.wait_for(lambda: any(map(len, queues)) or all(i.ended for i in queues), _SILENT_START_S)
            self._condition.wait_for(lambda: all(len(i) or i.ended for i in queues), _FIRST_WAIT_S)
            if all(queue.ended for queue in queues):
                return None
            first = [t for queue in queues if (t := queue.first(lambda item: item.t)) is not None]
        return LiveClock(min(first, default=begun), self._options.unix_offset)

    def _step(self) -> bool:
        """Take what has come, or cut the next segment, or wait for either; False at the end."""
        with self._condition:
            block = self._audio.pop() if self._audio is not None and self._wants_audio() else None
            face = self._faces.pop() if self._faces is not None and self._wants_video() else None
            if block is None and face is None:
                if self._ended():
                    self._limit = self._total()
                    if self._segmenter.next_index >= self._limit:
                        return False
                elif (patience := self._patience()) > 0.0:
                    self._condition.wait(patience)
                    return True
        if isinstance(block, AudioBlock):
            self._place(block)
        if isinstance(face, Watermark):
            self._next_frame = self._clock.to_grid(face.t)
        elif face is not None:
            self._look(face)
        if block is None and face is None:
            self._cut()
        return True

    def _wants_audio(self) -> bool:
        # A recording's track that runs ahead of the other waits in its queue, so memory stays bounded. A live block
        # far ahead, after the process was held up, waits until the grid has come near: the ring holds seconds only.
        if self._live:
            end = seconds(segment_end(self._segmenter.next_index))
            return self._audio is not None and self._coming(self._audio) < end + _MAX_AHEAD_S
        return not self._audio_complete()

    def _wants_video(self) -> bool:
        return self._live or not self._video_complete()

    def _audio_complete(self) -> bool:
        """Whether the next segment has all the audio it can get."""
        end = segment_end(self._segmenter.next_index)
        if self._audio is None or self._audio.ended or self._segmenter.audio_end >= end:
            return True
        return not self._live and self._coming(self._audio) >= seconds(end)

    def _video_complete(self) -> bool:
        """Whether the next segment has all the frames it can get, and the one after its end."""
        end = seconds(segment_end(self._segmenter.next_index))
        if self._faces is None or self._faces.ended or self._segmenter.video_end >= end:
            return True
        coming = max(self._next_frame, self._coming(self._faces))
        return coming >= end and self._segmenter.settled_by(coming)

    def _coming(self, queue: BoundedQueue[AudioBlock | Watermark] | BoundedQueue[FrameFace | Watermark]) -> float:
        """Grid time before which a source has nothing more, as far as its queue tells."""
        first = queue.first(lambda item: item.t)
        return float("-inf") if first is None else self._clock.to_grid(first)

    @property
    def _live(self) -> bool:
        return self._options.clock is None

    def _ended(self) -> bool:
        return all(queue is None or queue.ended for queue in (self._audio, self._faces))

    def _total(self) -> int:
        """Segments of a stream whose sources have all ended: those that fit the union of its tracks."""
        ends = [i.end for i in (self._audio, self._faces) if i is not None and i.end is not None]
        if not ends:
            return self._segmenter.next_index
        length = self._clock.to_grid(max(ends))
        if self._options.duration_s is not None:
            length = min(length, self._options.duration_s)
        return segment_count(max(length, 1.0 / SAMPLE_RATE))

    def _patience(self) -> float:
        """Seconds until the next segment leaves: once it has all it can get, or with what there is."""
        captured = self._clock.captured_at(seconds(segment_end(self._segmenter.next_index)))
        until_end = 0.0 if captured is None else captured - time.monotonic()
        if self._audio_complete() and self._video_complete():
            return until_end  # a recording's pause is known before it has been played
        if not self._live:
            return _LONG_S
        return until_end + max(self._audio_lateness.usual, self._video_lateness.usual) + _DEADLINE_S

    def _place(self, block: AudioBlock) -> None:
        begun = time.perf_counter()
        position = self._placer.place(block)
        self._audio_lateness.note(block.end)
        self._meters.spend("audio", time.perf_counter() - begun)
        self._meters.dropped_samples = self._placer.late_samples + self._placer.missing_samples
        self._meters.audio_s.add(block.samples.size / SAMPLE_RATE)
        self._meters.levels.hear(block.samples)
        self._meters.levels.speech = self._segmenter.speaking
        for listener in self._listeners:
            listener.on_sound(block, position)

    def _look(self, face: FrameFace) -> None:
        t = self._clock.to_grid(face.t)
        self._video_lateness.note(face.t)
        if t > self._segmenter.video_end:  # the clock may turn back by less than a frame while it settles
            self._segmenter.push_frame(replace(face, t=t))

    def _cut(self) -> None:
        begun = time.perf_counter()
        segment = self._segmenter.cut()
        now = time.perf_counter()
        self._meters.spend("segment", now - begun)
        self._segments.put(self._timed(segment))

    def _timed(self, segment: Segment) -> TimedSegment:
        captured, now = self._clock.captured_at(segment.t_end), time.monotonic()
        if captured is not None and captured > now:  # the padded end of a short recording never was
            captured = None
        return TimedSegment(segment, captured, self._clock.unix(segment.t_end), now, self._meters.dropped())
