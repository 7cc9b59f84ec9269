"""The state of a session as a status event."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from streamer import events

if TYPE_CHECKING:
    from streamer.pipeline import Pipeline

__all__ = ["status_event"]


def status_event(pipeline: Pipeline, state: Literal["loading", "running", "ended"]) -> events.StatusEvent:
    """What is published once a second."""
    meters, manifest, engine = pipeline.meters, pipeline.bundle.manifest, pipeline.engine
    now = time.monotonic()
    depths = {inlet.name: len(inlet) for inlet in pipeline.queues}
    return events.StatusEvent(
        time=now + pipeline.unix_offset,
        uptime_s=round(now - pipeline.started_at, 3),
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
        queues=depths | {"segments": len(pipeline.segments), "events": pipeline.publisher.queued},
        latency_ms=pipeline.publisher.latency_quantiles(),
        stages_ms=meters.stages_ms() | {"publish": round(pipeline.publisher.send_ms, 3)},
        dropped=meters.dropped(),
        engine=events.EngineInfo(name=engine.name, device=engine.device, precision=engine.precision)
        if pipeline.loaded
        else None,
        bundle=events.BundleInfo(
            name=manifest.name, preset=manifest.preset, trained=manifest.trained, sha256=pipeline.bundle.sha256
        ),
        sources=events.SourceStates(audio=pipeline.states["audio"], video=pipeline.states["video"]),
    )
