"""The state of a stream as status events."""

from __future__ import annotations

import time
from collections.abc import Sized
from typing import Literal

from emostream.engines.bundle import Bundle
from emostream.engines.engine import Engine
from emostream.streamer.pipeline.clock import WallClock
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.protocol import events
from emostream.streamer.publishing.channel import Channel
from emostream.streamer.publishing.publisher import Publisher

__all__ = ["StatusReporter"]


class StatusReporter:
    """Publishes what the meters, queues and sources of one stream say.

    Attributes:
        states: of the sources, by modality.
        queues: what waits where, by name.
        loaded: whether the engine is ready.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        meters: Meters,
        publisher: Publisher,
        channel: Channel,
        wall_clock: WallClock,
    ) -> None:
        """Report on a stream that begins now, through its channel."""
        self._bundle, self._engine, self._meters = bundle, engine, meters
        self._publisher, self._channel, self._wall_clock = publisher, channel, wall_clock
        self._begun = time.monotonic()
        self.states: dict[str, events.SourceState] = {"audio": "off", "video": "off"}
        self.queues: dict[str, Sized] = {}
        self.loaded = False

    def publish(self, state: Literal["loading", "running", "ended"]) -> None:
        """Send the status of this moment.

        Raises:
            PublishError: the publisher has failed.
        """
        self._channel.publish(self.event(state))

    def event(self, state: Literal["loading", "running", "ended"]) -> events.StatusEvent:
        """The status of this moment."""
        meters, manifest, engine = self._meters, self._bundle.manifest, self._engine
        now = time.monotonic()
        info = events.EngineInfo(name=engine.name, device=engine.device, precision=engine.precision)
        return events.StatusEvent(
            time=now + self._channel.unix_offset,
            clock_jump_s=self._wall_clock.jump_s(),
            uptime_s=round(now - self._begun, 3),
            state=state,
            rates=events.Rates(
                frames_per_s=round(meters.frames.per_second(), 2),
                faces_per_s=round(meters.faces.per_second(), 2),
                audio_per_s=round(meters.audio_s.per_second(), 3),
                segments_per_s=round(meters.segments.per_second(), 2),
            ),
            levels=events.Levels(
                audio_dbfs=None if (level := meters.levels.audio_dbfs) is None else round(level, 1),
                brightness=None if (light := meters.levels.brightness) is None else round(light, 1),
                speech=meters.levels.speech,
                face=meters.levels.face,
            ),
            queues={name: len(queue) for name, queue in self.queues.items()} | {"events": self._publisher.queued},
            latency_ms=self._channel.latency_quantiles(),
            stages_ms=meters.stages_ms() | {"publish": round(self._channel.send_ms, 3)},
            dropped=meters.dropped(),
            losses=meters.losses(),
            engine_retries=meters.engine_retries,
            engine=info if self.loaded else None,
            bundle=events.BundleInfo(
                name=manifest.name, preset=manifest.preset, trained=manifest.trained, sha256=self._bundle.sha256
            ),
            sources=events.SourceStates(audio=self.states["audio"], video=self.states["video"]),
            replay=self._publisher.replay,
        )
