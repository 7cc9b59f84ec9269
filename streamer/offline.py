"""A clip recognised at once, with the events that a session gives of it under `--fast`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from emostream.engines.backends.choose import choose_engine
from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError, EmostreamError, SourceError
from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.detectors.choose import choose_detector, warn_of_other_detector
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.media.container import is_url
from emostream.engines.offline import OfflineRecording
from emostream.engines.pooling import Features
from emostream.engines.recognizer import Recognizer
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.pipeline.event_builder import EventBuilder
from emostream.streamer.pipeline.segment_queue import TimedSegment
from emostream.streamer.protocol.events import Dropped, ResultEvent

__all__ = ["Found", "StoppedError", "recognise", "recognizer_of"]

STREAM = "default"
_SESSION = "0" * 32
_log = logging.getLogger("emostream")


class StoppedError(EmostreamError):
    """A signal has come before the work was done."""


@dataclass(frozen=True, eq=False)
class Found:
    """A segment of the clip, what the networks make of it, and its events; none of the first two at the end."""

    segment: Segment | None
    features: Features | None
    events: tuple[ResultEvent, ...]


@contextmanager
def recognizer_of(options: RecognitionConfig) -> Iterator[Recognizer]:
    """Load a bundle on an engine.

    Raises:
        EmostreamError: one of them can't be loaded.
    """
    bundle = Bundle.load(options.bundle)
    engine, reason = choose_engine(options.engine, bundle, options.precision)
    _log.info("%s", reason)
    if not bundle.manifest.trained:
        _log.warning("bundle %s is untrained: its weights are random, and its scores mean nothing", options.bundle)
    with engine:
        yield Recognizer(bundle, engine)


def recognise(
    clip: str,
    recognizer: Recognizer,
    options: RecognitionConfig,
    stop: threading.Event,
    on_face: Callable[[FrameFace], None] | None = None,
) -> Iterator[Found]:
    """Recognise a clip from its beginning to its end, in the batches of `--fast`.

    The Unix times of its events are seconds of the clip, since nothing says when it was captured.

    Args:
        clip: a file.
        recognizer: with a loaded engine.
        options: that chose it.
        stop: ends the work.
        on_face: told of each picture, and the face in it.

    Raises:
        SourceError: the clip can't be read.
        StoppedError: it was asked to.
    """
    if is_url(clip):
        raise ConfigError(f"{clip} is no file; download it first")
    if Path(clip).is_dir():
        raise SourceError(f"{clip} is a folder; expected a clip")
    detector = choose_detector(options.face_detector, options.face_model)
    warn_of_other_detector(recognizer.bundle, detector)
    builder, numbers = EventBuilder(recognizer.score), _Numbers()
    with OfflineRecording(clip, detector.make(), on_face) as recording:
        waiting: list[Segment] = []

        def flush() -> Iterator[Found]:
            for segment, features in zip(waiting, recognizer.embed(waiting), strict=True):
                timed = TimedSegment(segment, None, segment.t_end, 0.0, Dropped())
                yield Found(segment, features, numbers.give(builder.interpret(timed, features)))
            waiting.clear()

        for segment in recording:
            if stop.is_set():
                raise StoppedError(f"stopped before {clip} was read")
            waiting.append(segment)
            if len(waiting) == recognizer.engine.batch_size:
                yield from flush()
        if waiting:
            yield from flush()
    if last := numbers.give(builder.finish()):
        yield Found(None, None, last)


class _Numbers:
    """Fills in what the publisher would."""

    def __init__(self) -> None:
        self._next = 0

    def give(self, events: Iterator[ResultEvent]) -> tuple[ResultEvent, ...]:
        given: list[ResultEvent] = []
        for event in events:
            given.append(replace(event, stream=STREAM, session=_SESSION, seq=self._next, published_at=event.t_end))
            self._next += 1
        return tuple(given)
