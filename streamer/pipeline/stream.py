"""One stream: its sources and the threads that turn what they capture into segments.

    source readers -> vision -> segmenting -> segments, which the worker takes

A stream looks after itself in a thread of its own, so that whatever happens to its sources never touches others.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from emostream.engines.bundle import Bundle
from emostream.engines.engine import Engine
from emostream.engines.errors import EmostreamError, PublishError, SourceError
from emostream.engines.frontend.detectors.base import FaceDetector
from emostream.engines.frontend.face import FaceTracker
from emostream.streamer.config import Config, StreamConfig
from emostream.streamer.logs import speaking_of
from emostream.streamer.pipeline.clock import RecordedClock, StreamClock, WallClock
from emostream.streamer.pipeline.media_listener import MediaListener
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.pipeline.segment_queue import SegmentQueue
from emostream.streamer.pipeline.segmenting import Segmenting, SegmentingOptions
from emostream.streamer.pipeline.status import StatusReporter
from emostream.streamer.pipeline.stream_queues import StreamQueues
from emostream.streamer.pipeline.vision import Vision
from emostream.streamer.pipeline.worker import WorkerStream
from emostream.streamer.protocol.events import SourceState
from emostream.streamer.publishing.publisher import Publisher
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.sources.base import LiveSource, Playback, Sinks
from emostream.streamer.sources.browser import BrowserSlot
from emostream.streamer.sources.choose import Chosen, open_sources
from emostream.streamer.sources.player import Player
from emostream.streamer.sources.reconnect import Modality, ReconnectingReader, SourceMonitor
from emostream.streamer.threads import OwnedThread

__all__ = ["SessionContext", "Stream"]

_log = logging.getLogger("emostream")

_MAX_LAG_S = 1.0
_WAITING_BATCHES = 2
_STATUS_S = 1.0
_STOP_S = 0.4  # for readers, vision and segmenting to end
_STOP_WORKER_S = 0.8  # for the engine to end its batch; with the socket's linger a stop stays near a second
_TICK_S = 0.1
_POLL_S = 0.02


@dataclass(frozen=True)
class SessionContext:
    """What a stream shares with the others of its session.

    Attributes:
        config: of the session.
        bundle: what recognises.
        engine: that runs it.
        publisher: of all events.
        make_detector: makes a face detector for one thread.
        arrived: notified when a segment of any stream was put.
        wall_clock: of the session.
    """

    config: Config
    bundle: Bundle
    engine: Engine
    publisher: Publisher
    make_detector: Callable[[], FaceDetector]
    arrived: threading.Condition
    wall_clock: WallClock


class Stream:
    """One stream of a session. The constructor opens nothing.

    Attributes:
        name: of the stream.
        meters: what is counted of it.
        status: reports on it.
        channel: publishes its events, and knows its session, counts and latencies.
        for_worker: what the worker needs of it.
        opened: set once its sources are open.
        failure: what ended it, if it did not end by itself.
        media_listeners: who sees and hears what it does; to be complete before `start`.
        browser_slot: where a browser comes in that gives its camera or microphone.
    """

    def __init__(self, config: StreamConfig, context: SessionContext) -> None:
        """Prepare a stream."""
        self.name = config.name
        self.meters = Meters()
        self.opened = threading.Event()
        self.failure: BaseException | None = None
        self.media_listeners: list[MediaListener] = []
        self.browser_slot = BrowserSlot()
        self._segmenting: Segmenting | None = None
        self._config, self._context = config, context
        self._late_s = config.av_offset_ms / 1000.0
        self._stop = threading.Event()
        self._lost: list[str] = []
        self._changed = threading.Event()  # the state of a source
        self.channel = context.publisher.channel(
            config.name, session=uuid.uuid4().hex, unix_offset=context.wall_clock.unix_offset
        )
        capacity = _WAITING_BATCHES * context.engine.batch_size
        segments = SegmentQueue(capacity, None, self.meters.drop_segment, context.arrived)
        self.for_worker = WorkerStream(segments, self.channel, self.meters)
        self.status = StatusReporter(
            context.bundle, context.engine, self.meters, context.publisher, self.channel, context.wall_clock
        )
        self._thread = self._make_thread("stream", self._run)
        self._ready = threading.Event()

    @property
    def states(self) -> Mapping[str, SourceState]:
        """Of its sources, by modality."""
        return self.status.states

    @property
    def clock(self) -> StreamClock | None:
        """Of its grid; None until that begins."""
        return None if self._segmenting is None else self._segmenting.clock

    @property
    def from_browser(self) -> tuple[Modality, ...]:
        """What a browser has to give."""
        return self._config.from_browser

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.alive

    def start(self) -> None:
        """Open the sources, then wait for `play`."""
        self._thread.start()

    def repeat_failure(self) -> None:
        """Say again that it has failed, for those who listen by now; nothing where it has not."""
        if self.failure is not None and not self.alive:
            self._say_end()

    def play(self) -> None:
        """Begin, now that the engine is ready."""
        self._ready.set()

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()

    def join(self) -> None:
        """Wait for its end, which comes within a second of `stop`."""
        self._thread.join(2.0 * _STOP_WORKER_S)

    def _run(self) -> None:
        """Open, wait for the engine, play, end; whatever goes wrong ends this stream and no other."""
        chosen: list[Chosen] = []
        try:
            chosen = self._open_sources()
            if chosen:
                self._play(chosen)
        except BaseException as error:  # noqa: BLE001 - kept for the owner
            self._fail(error)
        self.for_worker.segments.close(discard=True)
        if self.failure is None and self._lost and len(self._lost) == len(chosen):
            self.failure = SourceError(f"nothing is left to watch or to hear: {'; '.join(self._lost)}")
        if self.failure is not None and not self.opened.is_set():
            self.status.states |= dict.fromkeys(self._config.wanted, "lost")
        self._say_end()
        if self.failure is not None and self._prefix:
            unexpected = not isinstance(self.failure, EmostreamError)
            _log.warning("%s%s", self._prefix, self.failure, exc_info=self.failure if unexpected else None)

    def _say_end(self) -> None:
        with suppress(PublishError):
            self.status.publish("ended")

    def _open_sources(self) -> list[Chosen]:
        """Open the sources in a thread of their own, since a driver may not let go; none where the stream stops."""
        opened: list[Chosen] = []
        config, fast = self._config, self._context.config.fast
        opening = self._make_thread(
            "open sources", lambda: opened.extend(open_sources(config, self.browser_slot, fast=fast))
        )
        opening.start()
        while opening.alive and not self._stop.is_set():
            opening.wait(_POLL_S)
        return opened

    def _play(self, chosen: list[Chosen]) -> None:
        recorded = all(each.source.recorded for each in chosen)
        audio, video = (any(wanted) for wanted in zip(*((each.audio, each.video) for each in chosen), strict=True))
        queues = StreamQueues.make(audio=audio, video=video, recorded=recorded, drop_frame=self.meters.drop_frame)
        self.status.states = {"audio": "waiting" if audio else "off", "video": "waiting" if video else "off"}
        segments = self.for_worker.segments
        segments.max_lag_s = None if recorded else _MAX_LAG_S
        self.status.queues = {queue.name: queue for queue in queues} | {"segments": segments}
        self.opened.set()
        self.status.publish("loading")
        while not self._ready.wait(_POLL_S) and not self._stop.is_set():
            pass
        if self._stop.is_set():
            threads = [self._make_thread(f"close {each.source.name}", each.source.close) for each in chosen]
        else:
            self.status.loaded = True
            threads = self._threads(chosen, recorded, queues)
        for thread in threads:
            thread.start()
        self._wait_end()
        self._end(queues, threads)

    def _threads(self, chosen: list[Chosen], recorded: bool, queues: StreamQueues) -> list[OwnedThread]:
        playback, options = self._start_clock(chosen, recorded)
        threads = []
        self._segmenting = Segmenting(queues, self.for_worker.segments, self.meters, options, self.media_listeners)
        if queues.frames is not None and queues.faces is not None:
            tracker = FaceTracker(self._context.make_detector())
            vision = Vision(tracker, queues.frames, queues.faces, self.meters, self._late_s, self.media_listeners)
            threads.append(self._make_thread("vision", vision.run))
        threads.append(self._make_thread("segmenting", self._segmenting.run))
        return threads + [self._make_thread(*self._reading(each, queues, playback)) for each in chosen]

    def _start_clock(self, chosen: list[Chosen], recorded: bool) -> tuple[Playback, SegmentingOptions]:
        """Begin: from now on recordings play, and their grid begins with the earliest track."""
        starts = [
            each.source.start_time - (self._late_s if each.video else 0.0)
            for each in chosen
            if each.source.start_time is not None
        ]
        config, unix_offset = self._context.config, self._context.wall_clock.unix_offset
        t0, now = min(starts, default=0.0), time.monotonic()
        playback = Playback(t0, now, fast=config.fast, live=not recorded, stop=self._stop)
        clock = RecordedClock(t0, now, unix_offset, fast=config.fast) if recorded else None
        return playback, SegmentingOptions(clock, unix_offset, config.duration_s)

    def _reading(self, each: Chosen, queues: StreamQueues, playback: Playback) -> tuple[str, Callable[[], None]]:
        """What is done with a source, and the name of the thread that does it."""
        audio, video = queues.audio if each.audio else None, queues.frames if each.video else None
        wanted: dict[Modality, BoundedQueue[Any]] = {}
        if audio is not None:
            wanted["audio"] = audio
        if video is not None:
            wanted["video"] = video
        if isinstance(each.source, LiveSource):
            monitors = {
                modality: SourceMonitor(queue, partial(self._set_state, modality)) for modality, queue in wanted.items()
            }
            reader = ReconnectingReader(each.source, monitors, playback, self._make_thread, self._say)
            return f"keep {each.source.name}", reader.run

        def on_state(state: SourceState) -> None:
            for modality in wanted:
                self._set_state(modality, state)

        player = Player(each.source, Sinks(audio, video), playback, on_state, self._note_loss)
        return f"read {each.source.name}", player.run

    def _note_loss(self, message: str) -> None:
        self._lost.append(message)
        self._say(logging.WARNING, message)

    def _set_state(self, modality: Modality, state: SourceState) -> None:
        self.status.states[modality] = state
        if state == "lost":
            self.meters.lose(modality)
        self._changed.set()

    def _say(self, level: int, message: str) -> None:
        _log.log(level, "%s%s", self._prefix, message)

    def _wait_end(self) -> None:
        next_status = time.monotonic()
        while not self.for_worker.done.is_set() and not self._stop.wait(_TICK_S):
            due = time.monotonic() >= next_status
            if due:
                next_status += _STATUS_S
            if due or self._changed.is_set():
                self._changed.clear()
                self.status.publish("running")

    def _end(
        self,
        queues: StreamQueues,
        threads: list[OwnedThread],
    ) -> None:
        """Stop what still runs within a bound; what was recognised is still published."""
        begun = time.monotonic()
        self.for_worker.segments.close(discard=self._stop.is_set())
        self._stop.set()
        for queue in queues:
            queue.close(discard=True)
        for thread in threads:
            thread.join(max(0.0, begun + _STOP_S - time.monotonic()))
        self.for_worker.done.wait(max(0.0, begun + _STOP_WORKER_S - time.monotonic()))

    @property
    def _prefix(self) -> str:
        """What tells the stream's lines in the log from those of others."""
        return f"stream {self.name}: " if len(self._context.config.streams) > 1 else ""

    def _make_thread(self, name: str, target: Callable[[], None]) -> OwnedThread:
        return OwnedThread(f"{self._prefix}{name}", speaking_of(self.name, target), self._fail)

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
        self._stop.set()
