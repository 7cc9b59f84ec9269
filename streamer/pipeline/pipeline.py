"""A session: its streams, the worker that recognises what they give, and the publisher, started and stopped in order.

    streams -> worker -> publisher

The engine loads in the worker while the sources wait, and the socket is bound before either, so that a waiting
subscriber misses nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from emostream.engines.backends.choose import choose_engine
from emostream.engines.bundle import Bundle
from emostream.engines.errors import PublishError, SourceError
from emostream.engines.frontend.detectors.choose import choose_detector, warn_of_other_detector
from emostream.streamer.config import Config
from emostream.streamer.pipeline.clock import WallClock
from emostream.streamer.pipeline.stream import SessionContext, Stream
from emostream.streamer.pipeline.worker import Worker
from emostream.streamer.protocol.events import Event
from emostream.streamer.protocol.keys import ServerKeys
from emostream.streamer.protocol.replay import replay_endpoint
from emostream.streamer.publishing.publisher import Publisher
from emostream.streamer.threads import OwnedThread

__all__ = ["Pipeline"]

_log = logging.getLogger("emostream")

_SETTLE_S = 0.5  # between bind and first event, for subscribers that were waiting
_STOP_WORKER_S = 0.2  # once every stream has ended
_POLL_S = 0.02
_REMIND_S = 1.0  # as often as those that run give their status


class Pipeline:
    """A session, from its sources to its events. The constructor opens nothing; `run` does it all.

    Attributes:
        streams: in the order of the configuration.
        unix_offset: Unix time minus monotonic time, in seconds, fixed for the session.
    """

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
        self.bundle = bundle
        engine, self._engine_reason = choose_engine(config.engine, bundle, config.precision)
        self._stop = stop or threading.Event()
        self._failure: BaseException | None = None
        self._output = config.output
        self._publisher = Publisher(
            config.publish,
            replay=_replay_endpoint(config),
            keys=None if config.keys is None else ServerKeys.load(config.keys),
            insecure=config.insecure,
            output=config.output,
            labels=bundle.manifest.labels,
            on_event=on_event,
        )
        detector = choose_detector(config.face_detector, config.face_model)
        if detector.model is not None:
            detector.make()  # so that a wrong model is refused before anything opens
        warn_of_other_detector(bundle, detector)
        arrived, wall_clock = threading.Condition(), WallClock()
        self.unix_offset = wall_clock.unix_offset
        context = SessionContext(
            config,
            bundle,
            engine,
            self._publisher,
            make_detector=detector.make,
            arrived=arrived,
            wall_clock=wall_clock,
        )
        self.streams = [Stream(each, context) for each in config.streams]
        self._worker = Worker(
            bundle, engine, [each.for_worker for each in self.streams], arrived, full_batches=config.fast
        )

    @property
    def output_failures(self) -> int:
        """How many events could not be written to the output."""
        return self._publisher.output_failures

    def run(self, on_tick: Callable[[], None] | None = None, tick_s: float = 0.2) -> None:
        """Run the session until every stream has ended, or until it is stopped.

        Args:
            on_tick: called in this thread about every `tick_s` seconds while the session runs.
            tick_s: in seconds.

        Raises:
            EmostreamError: something can't be opened or loaded, or failed.
        """
        asked = False
        with self._publisher:
            publisher = self._publisher
            replay = "" if publisher.replay is None else f", replay on {publisher.replay}"
            _log.info("%s", self._engine_reason)
            _log.info("publishing on %s%s", publisher.endpoint, replay)
            for stream in self.streams:
                stream.start()
            working = OwnedThread("worker", self._worker.run, self._fail)
            if self._wait(lambda: any(stream.opened.is_set() for stream in self.streams)):
                working.start()
            if self._wait(self._worker.ready.is_set):
                self._publisher.wait_settled(_SETTLE_S)
                for stream in self.streams:
                    stream.play()
            next_reminder = 0.0
            while self._running():
                if self._stop.wait(tick_s):
                    asked = True
                    break
                if on_tick:
                    on_tick()
                if time.monotonic() >= next_reminder:
                    next_reminder = time.monotonic() + _REMIND_S
                    for stream in self.streams:
                        stream.repeat_failure()
            for stream in self.streams:
                stream.stop()
            for stream in self.streams:
                stream.join()
            working.join(_STOP_WORKER_S)
        self._raise_failures(asked)

    def _wait(self, reached: Callable[[], bool]) -> bool:
        """Wait for something; False where the session ends before."""
        while not reached():
            if not self._running() or self._stop.wait(_POLL_S):
                return False
        return not self._stop.is_set()

    def _running(self) -> bool:
        return any(stream.alive for stream in self.streams)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._stop.set()

    def _raise_failures(self, asked: bool) -> None:
        """Say what went wrong; a session that was asked to end has told of its streams before."""
        if self._failure is not None:
            raise self._failure
        failed = [(stream.name, stream.failure) for stream in self.streams if stream.failure is not None]
        if len(self.streams) == 1:
            for _, failure in failed:
                raise failure
        if failures := self._publisher.output_failures:
            raise PublishError(f"{failures} events could not be written to {self._output}; all were published")
        if failed and not asked:
            raise SourceError("; ".join(f"stream {name} failed: {failure}" for name, failure in failed))


def _replay_endpoint(config: Config) -> str | None:
    if config.replay == "none":
        return None
    return replay_endpoint(config.publish) if config.replay is None else config.replay
