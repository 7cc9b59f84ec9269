"""The worker thread: it alone owns the engine. Segments of every stream in, events out, in order within a stream.

An engine that fails is asked once more for the same batch, so single failures cost a moment and nothing else. When it
fails again, the utterances in progress are published from what they have, and the session ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from emostream.engines.bundle import Bundle
from emostream.engines.engine import Batch, Engine
from emostream.engines.errors import EngineRunError
from emostream.engines.pooling import Features
from emostream.engines.recognizer import Recognizer
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, MEL_BANDS, MEL_FRAMES
from emostream.streamer.pipeline.batching import Batcher
from emostream.streamer.pipeline.event_builder import EventBuilder
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.pipeline.segment_queue import SegmentQueue, TimedSegment
from emostream.streamer.protocol import events
from emostream.streamer.publishing.channel import Channel

__all__ = ["Worker", "WorkerStream"]

_log = logging.getLogger("emostream")


@dataclass(frozen=True)
class WorkerStream:
    """A stream, as the worker sees it.

    Attributes:
        segments: to recognise.
        channel: for the events.
        meters: of the stream.
        done: set once everything of the stream was published.
    """

    segments: SegmentQueue
    channel: Channel
    meters: Meters
    done: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Loads the engine, runs it on whatever segments are ready, and publishes what they say."""

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        streams: Sequence[WorkerStream],
        condition: threading.Condition,
        *,
        full_batches: bool,
    ) -> None:
        """Prepare the worker.

        Args:
            bundle: what recognises.
            engine: that runs it.
            streams: of the session.
            condition: shared by their segments.
            full_batches: wait for full batches of one stream, so that results don't depend on load.
        """
        self._engine, self._streams = engine, streams
        self._recognizer = Recognizer(bundle, engine)
        self._batcher = Batcher([each.segments for each in streams], condition)
        self._builders = [EventBuilder(self._recognizer.score) for _ in streams]
        self._full_batches = full_batches
        self.ready = threading.Event()

    def run(self) -> None:
        """Work until the segments of every stream end.

        Raises:
            EngineError: the engine can't be loaded.
            EngineRunError: it failed twice in a row on the same segments.
        """
        failure: EngineRunError | None = None
        try:
            with self._engine:
                self._warm_up()
                self.ready.set()
                try:
                    self._work()
                except EngineRunError as error:
                    failure = error
        except Exception:
            if failure is None:  # what fails like this can fail to be freed, too
                raise
        if failure is not None:
            raise failure

    def _work(self) -> None:
        try:
            for batch in self._batcher.batches(self._engine.batch_size, full=self._full_batches):
                if batch.segments:
                    self._recognize(batch.segments)
                for number in batch.ended:
                    self._finish(number)
        except EngineRunError:
            for number, stream in enumerate(self._streams):
                if not stream.done.is_set():
                    self._finish(number)
            raise

    def _finish(self, number: int) -> None:
        """The stream has ended; its heads need no engine."""
        self._publish(number, self._builders[number].finish(), None)
        self._streams[number].done.set()

    def _recognize(self, batch: Sequence[tuple[int, TimedSegment]]) -> None:
        begun = time.monotonic()
        features = self._embed(batch)
        inferred = time.monotonic()
        for (number, timed), found in zip(batch, features, strict=True):
            meters = self._streams[number].meters
            if timed.captured_at is not None:
                meters.spend("wait", timed.cut_at - timed.captured_at)
            meters.spend("queue", begun - timed.cut_at)
            meters.spend("inference", inferred - begun)
            meters.segments.add()
            self._publish(number, self._builders[number].interpret(timed, found), timed.captured_at)

    def _embed(self, batch: Sequence[tuple[int, TimedSegment]]) -> list[Features]:
        segments = [timed.segment for _, timed in batch]
        try:
            return self._recognizer.embed(segments)
        except Exception as error:  # noqa: BLE001 - whatever a runtime may throw
            _log.warning("the engine %s failed, and is asked once more: %s", self._engine.name, _said(error))
        for number in {number for number, _ in batch}:
            self._streams[number].meters.retry_engine()
        try:
            return self._recognizer.embed(segments)
        except Exception as error:
            raise EngineRunError(
                f"the engine {self._engine.name} failed twice in a row on the same segments: {_said(error)}; start "
                "again, or take another --engine or --precision"
            ) from error

    def _publish(
        self,
        number: int,
        found: Iterable[events.ResultEvent],
        captured_at: float | None,
    ) -> None:
        for event in found:
            is_segment = isinstance(event, events.EmotionEvent)
            self._streams[number].channel.publish(event, captured_at=captured_at if is_segment else None)

    def _warm_up(self) -> None:
        """The first run of a network allocates and compiles; no segment should wait for that."""
        mel = np.zeros((1, 3, MEL_BANDS, MEL_FRAMES), np.float32)
        clip = np.zeros((1, CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3), np.uint8)
        self._engine.embed(Batch(mel, clip, ((0, 0),)))


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
