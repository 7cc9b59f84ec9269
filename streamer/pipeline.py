"""A session: it owns every thread, and starts and stops them in order.

    source readers -> vision -> segmenting -> worker -> publisher

The engine loads in the worker while the sources wait, and the socket is bound before either, so that a waiting
subscriber misses nothing.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

from engines.backends.choose import choose_engine
from engines.bundle import Bundle
from engines.errors import SourceError
from engines.frontend.clip import FrameFace
from engines.frontend.detectors import ViolaJones, YuNet
from engines.frontend.face import FaceTracker
from engines.media.audio import AudioBlock
from engines.media.video import VideoFrame
from streamer.clock import RecordedClock
from streamer.config import Config
from streamer.events import Event, SourceState
from streamer.meters import Meters
from streamer.publisher import Publisher
from streamer.queues import DropPolicy, Inlet, Pause
from streamer.segmenting import Segmenting, SegmentingOptions
from streamer.segments import SegmentQueue
from streamer.sources.base import Outlets, Playback
from streamer.sources.choose import Chosen, open_sources
from streamer.status import StatusReporter
from streamer.threads import OwnedThread
from streamer.vision import Vision
from streamer.worker import Worker

__all__ = ["Pipeline"]

_log = logging.getLogger("emostream")

_MAX_LAG_S = 1.0
_WAITING_SEGMENTS = 8
_WAITING_FRAMES = 8  # 0.27 s at 30 a second: as long as the engine may hold up the vision thread
_WAITING_FACES = 128  # each announced before it is looked at
_WAITING_BLOCKS = 150  # 3 s of audio
_SETTLE_S = 0.5  # between bind and first event, for subscribers that were waiting
_STATUS_S = 1.0
_STOP_S = 0.4  # for readers, vision and segmenting to end
_STOP_WORKER_S = 0.8  # for the engine to end its batch; with the socket's linger a stop stays near a second
_POLL_S = 0.02


class Pipeline:
    """One stream, from its sources to its events. The constructor opens nothing; `run` does it all."""

    def __init__(
        self,
        config: Config,
        bundle: Bundle,
        on_event: Callable[[Event], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Prepare a session.

        Args:
            config: the options.
            bundle: what recognises.
            on_event: called in the publisher's thread after each event was sent.
            stop: ends the session within a second once it is set.
        """
        self.config, self.bundle = config, bundle
        self.meters = Meters()
        self.engine, self.engine_reason = choose_engine(config.engine, bundle, config.precision)
        self._stop = stop or threading.Event()
        self._failure: BaseException | None = None
        self._lost: list[str] = []
        self._late_s = config.av_offset_ms / 1000.0
        self._unix_offset = time.time() - time.monotonic()
        self.publisher = Publisher(
            config.publish,
            config.stream,
            session=uuid.uuid4().hex,
            unix_offset=self._unix_offset,
            output=config.output,
            on_event=on_event,
        )
        self.status = StatusReporter(bundle, self.engine, self.meters, self.publisher, self._unix_offset)

    def run(self, on_tick: Callable[[], None] | None = None, tick_s: float = 0.2) -> None:
        """Run the session to its end, or until it is stopped.

        Args:
            on_tick: called in this thread about every `tick_s` seconds while the session runs.
            tick_s: in seconds.

        Raises:
            EmostreamError: something can't be opened or loaded, or failed.
        """
        detector = YuNet(self.config.face_model) if self.config.face_model else ViolaJones()
        with self.publisher:
            _log.info("%s; publishing on %s", self.engine_reason, self.publisher.endpoint)
            chosen = self._open_sources()
            if chosen:
                self._run(chosen, FaceTracker(detector), on_tick or (lambda: None), tick_s)
        if self._failure is not None:
            raise self._failure
        if self._lost and len(self._lost) == len(chosen):
            raise SourceError(f"nothing is left to watch or to hear: {'; '.join(self._lost)}")

    def _run(self, chosen: list[Chosen], tracker: FaceTracker, on_tick: Callable[[], None], tick_s: float) -> None:
        recorded = all(each.source.recorded for each in chosen)
        condition = threading.Condition()
        audio, frames, faces = self._inlets(chosen, condition, recorded)
        inlets = [inlet for inlet in (audio, frames, faces) if inlet is not None]
        segments = SegmentQueue(_WAITING_SEGMENTS, None if recorded else _MAX_LAG_S, self.meters.drop_segment)
        worker = Worker(self.bundle, self.engine, segments, self.publisher, self.meters, full_batches=self.config.fast)
        working = self._thread("worker", worker.run)
        self.status.queues = {inlet.name: inlet for inlet in inlets} | {"segments": segments}
        working.start()
        self.status.publish("loading")
        threads: list[OwnedThread] = []
        if self._wait_ready(worker, working):
            playback, options = self._start_clock(chosen, recorded)
            if frames is not None and faces is not None:
                vision = Vision(tracker, frames, faces, self.meters, self._late_s)
                threads.append(self._thread("vision", vision.run))
            segmenting = Segmenting(audio, faces, condition, segments, self.meters, options)
            threads.append(self._thread("segmenting", segmenting.run))
            threads += [self._reader(each, audio, frames, playback) for each in chosen]
            for thread in threads:
                thread.start()
            self._wait_end(working, on_tick, tick_s)
        else:
            threads += [self._thread(f"close {each.source.name}", each.source.close) for each in chosen]
            for thread in threads:
                thread.start()
        self._end(inlets, segments, threads, working)

    def _open_sources(self) -> list[Chosen]:
        """Open the sources in a thread of their own, since a driver may not let go; none where the session stops."""
        opened: list[Chosen] = []
        opening = self._thread("open sources", lambda: opened.extend(open_sources(self.config)))
        opening.start()
        while opening.alive and not self._stop.is_set():
            opening.wait(_POLL_S)
        return opened

    def _inlets(
        self, chosen: list[Chosen], condition: threading.Condition, recorded: bool
    ) -> tuple[Inlet[AudioBlock | Pause] | None, Inlet[VideoFrame | Pause] | None, Inlet[FrameFace | Pause] | None]:
        audio: Inlet[AudioBlock | Pause] | None = None
        frames: Inlet[VideoFrame | Pause] | None = None
        faces: Inlet[FrameFace | Pause] | None = None

        def frame_dropped(item: VideoFrame | FrameFace | Pause) -> None:
            if not isinstance(item, Pause):
                self.meters.drop_frame()

        policy: DropPolicy = "block" if recorded else "drop_oldest"
        if any(each.audio for each in chosen):
            audio = Inlet(
                "audio",
                _WAITING_BLOCKS,
                policy,
                condition=condition,
                mark_loss=lambda block: block if isinstance(block, Pause) else replace(block, lost=True),
            )
            self.status.states["audio"] = "waiting"
        if any(each.video for each in chosen):
            frames = Inlet("frames", _WAITING_FRAMES, policy, on_drop=frame_dropped)
            faces = Inlet("faces", _WAITING_FACES, policy, condition=condition, on_drop=frame_dropped)
            self.status.states["video"] = "waiting"
        return audio, frames, faces

    def _start_clock(self, chosen: list[Chosen], recorded: bool) -> tuple[Playback, SegmentingOptions]:
        """Begin the session: from now on recordings play, and their grid begins with the earliest track."""
        starts = [
            each.source.start_time - (self._late_s if each.video else 0.0)
            for each in chosen
            if each.source.start_time is not None
        ]
        t0, now = min(starts, default=0.0), time.monotonic()
        playback = Playback(t0, now, fast=self.config.fast, live=not recorded, stop=self._stop)
        clock = RecordedClock(t0, now, self._unix_offset, fast=self.config.fast) if recorded else None
        return playback, SegmentingOptions(clock, self._unix_offset, self.config.duration_s)

    def _reader(
        self,
        each: Chosen,
        audio: Inlet[AudioBlock | Pause] | None,
        frames: Inlet[VideoFrame | Pause] | None,
        playback: Playback,
    ) -> OwnedThread:
        outlets = Outlets(audio if each.audio else None, frames if each.video else None)
        kinds = [kind for kind, given in (("audio", each.audio), ("video", each.video)) if given]

        def read() -> None:
            self.status.states.update(dict.fromkeys(kinds, "running"))
            state: SourceState = "ended"
            try:
                each.source.run(outlets, playback)
            except SourceError as error:
                state = "lost"
                self._lost.append(str(error))
                _log.warning("%s", error)
            finally:
                outlets.finish()
                self.status.states.update(dict.fromkeys(kinds, state))
                each.source.close()

        return self._thread(f"read {each.source.name}", read)

    def _thread(self, name: str, target: Callable[[], None]) -> OwnedThread:
        return OwnedThread(name, target, self._fail)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._stop.set()

    def _wait_ready(self, worker: Worker, working: OwnedThread) -> bool:
        """Wait for the engine, and for waiting subscribers; False where the session ends before."""
        while working.alive and not worker.ready.wait(_POLL_S):
            if self._stop.is_set():
                return False
        self.publisher.wait_settled(_SETTLE_S)
        self.status.loaded = worker.ready.is_set()
        return self.status.loaded and not self._stop.is_set()

    def _wait_end(self, working: OwnedThread, on_tick: Callable[[], None], tick_s: float) -> None:
        next_status = time.monotonic()
        while working.alive and not self._stop.wait(tick_s):
            on_tick()
            if time.monotonic() >= next_status:
                next_status = time.monotonic() + _STATUS_S
                self.status.publish("running")

    def _end(
        self,
        inlets: list[Inlet[AudioBlock | Pause] | Inlet[VideoFrame | Pause] | Inlet[FrameFace | Pause]],
        segments: SegmentQueue,
        threads: list[OwnedThread],
        working: OwnedThread,
    ) -> None:
        """Stop what still runs within a bound; what was recognised is still published."""
        begun = time.monotonic()
        segments.close(discard=self._stop.is_set())
        self._stop.set()
        for inlet in inlets:
            inlet.close(discard=True)
        for thread in threads:
            thread.join(max(0.0, begun + _STOP_S - time.monotonic()))
        working.join(max(0.0, begun + _STOP_WORKER_S - time.monotonic()))
        self.status.publish("ended")
