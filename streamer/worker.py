"""The worker thread: it alone owns the engine. Segments in, events out, in order."""

from __future__ import annotations

import threading
import time

import numpy as np

from engines.backends.base import Batch, Engine
from engines.bundle import Bundle
from engines.frontend.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, MEL_BANDS, MEL_FRAMES
from engines.recognizer import Recognizer
from streamer import events
from streamer.interpreter import Interpreter
from streamer.meters import Meters
from streamer.publisher import Publisher
from streamer.segments import SegmentQueue, TimedSegment

__all__ = ["MAX_BATCH", "Worker"]

MAX_BATCH = 4  # segments; more would only let a stop or a late segment wait longer


class Worker:
    """Loads the engine, runs it on whatever segments are ready, and publishes what they say."""

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        segments: SegmentQueue,
        publisher: Publisher,
        meters: Meters,
        *,
        full_batches: bool,
    ) -> None:
        """Run `engine` of `bundle`; with `full_batches`, wait for them, so that results don't depend on load."""
        self._engine, self._segments, self._publisher, self._meters = engine, segments, publisher, meters
        self._recognizer = Recognizer(bundle, engine)
        self._full_batches = full_batches
        self._interpreter = Interpreter(self._recognizer.score)
        self.ready = threading.Event()

    def run(self) -> None:
        """Work until the segments end."""
        with self._engine:
            self._warm_up()
            self.ready.set()
            while batch := self._segments.take(MAX_BATCH, full=self._full_batches):
                self._recognize(batch)
        for event in self._interpreter.finish():
            self._publisher.publish(event, captured_at=None)

    def _recognize(self, batch: list[TimedSegment]) -> None:
        begun = time.monotonic()
        features = self._recognizer.embed([timed.segment for timed in batch])
        inferred = time.monotonic()
        for timed, found in zip(batch, features, strict=True):
            if timed.captured_at is not None:
                self._meters.spend("wait", timed.cut_at - timed.captured_at)
            self._meters.spend("queue", begun - timed.cut_at)
            self._meters.spend("inference", inferred - begun)
            self._meters.segments.add()
            for event in self._interpreter.interpret(timed, found):
                is_segment = isinstance(event, events.EmotionEvent)
                self._publisher.publish(event, captured_at=timed.captured_at if is_segment else None)

    def _warm_up(self) -> None:
        """The first run of a network allocates and compiles; no segment should wait for that."""
        mel = np.zeros((1, 3, MEL_BANDS, MEL_FRAMES), np.float32)
        clip = np.zeros((1, CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3), np.uint8)
        self._engine.embed(Batch(mel, clip, ((0, 0),)))
