"""What a session says about latency, drops, processor time, memory and start-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.machine import Machine, MeasuredUnderLoad
from benchmarks.material import Clip
from benchmarks.session import Session
from benchmarks.tables import Summary
from emostream.engines.errors import EngineError
from emostream.engines.frontend.grid import SEGMENT_SECONDS, seconds, segment_end
from emostream.streamer.protocol.events import EmotionEvent

__all__ = ["FIRST_EVENTS", "LATENCY_STAGES", "LatencyReport", "problems", "report"]

FIRST_EVENTS = 10  # which may come later than the rest, while everything is still cold
LATENCY_STAGES = ("wait", "queue", "inference", "publish")  # of an event's latency, in order

_MODALITIES = ("face and voice", "face only", "voice only", "neither")


@dataclass(frozen=True)
class LatencyReport:
    """All of one run's figures; times in milliseconds where the name says so.

    Attributes:
        benchmark: name of this benchmark.
        date: when it ran.
        command: of the benchmark.
        emostream_command: of the measured process.
        clean: whether every segment gave its event and every event was received.
        problems: what was not clean.
        machine: what it ran on.
        load_average: of the machine over 1, 5 and 15 minutes, before the start.
        clip: what was played.
        engine: name, device and precision, as asked for and as used.
        bundle: name, preset, state and hash.
        events: received and expected numbers.
        dropped: segments, frames and audio, as the last event counts them.
        latency_ms: from the capture of a segment's end to sending, as the events say: all of them, those after the
            first ten, and by what their segment holds.
        subscriber_ms: from the same moment to the arrival in the subscribing process, by this process's clock.
        stages_ms: mean of each stage for one item, as the last status says.
        rest_ms: mean latency minus its four stages: heads and pools.
        cpu: processor time of the measured process, decoding of the clip included, and of all others.
        memory_mb: resident memory of the measured process, MB of 10^6 bytes.
        start_s: from the start of the process.
        queues: largest depth of each queue in any status.
        series: for each segment its end on the grid (s), latency and arrival (ms), and whether it has voice and face.
    """

    benchmark: str
    date: str
    command: str
    emostream_command: str
    clean: bool
    problems: list[str]
    machine: Machine
    load_average: tuple[float, float, float]
    clip: Clip
    engine: dict[str, str]
    bundle: dict[str, str | bool]
    events: dict[str, int]
    dropped: dict[str, float]
    latency_ms: dict[str, Summary | None]
    subscriber_ms: dict[str, Summary | None]
    stages_ms: dict[str, float]
    rest_ms: float
    cpu: dict[str, float]
    memory_mb: dict[str, float | None]
    start_s: dict[str, float | None]
    queues: dict[str, int]
    series: list[tuple[float, float | None, float, bool, bool]]

    @property
    def measured(self) -> MeasuredUnderLoad:
        """The fields that other reports inherit; here they lie apart, for the JSON has an order of its own."""
        return MeasuredUnderLoad(self.benchmark, self.date, self.command, self.machine, self.load_average)


def report(session: Session, clip: Clip, *, asked: tuple[str, str], command: str, date: str) -> LatencyReport:
    """Reduce a session to its figures.

    Args:
        session: with at least one event.
        clip: what it played.
        asked: engine and precision as they were asked for.
        command: of the benchmark, without paths.
        date: when it ran.

    Raises:
        EngineError: no status of a running session came.
    """
    status = session.statuses[-1] if session.statuses else None
    if status is None or status.engine is None or status.bundle is None:
        raise EngineError("emostream published no status of a running session; its engine and stages are unknown")
    emotions = session.emotions
    events = [event for event, _ in emotions]
    arrivals = [1000.0 * (at - event.t_end) for event, at in emotions]
    found = problems(session, clip.segments)
    latency = _latencies(events)
    mean = latency["all"].mean if latency["all"] else 0.0
    return LatencyReport(
        benchmark="latency",
        date=date,
        command=command,
        emostream_command=session.command,
        clean=not found,
        problems=found,
        machine=Machine.this(),
        load_average=session.load_average,
        clip=clip,
        engine={
            "asked": asked[0],
            "asked_precision": asked[1],
            "name": status.engine.name,
            "device": status.engine.device,
            "precision": status.engine.precision,
        },
        bundle={
            "name": status.bundle.name,
            "preset": status.bundle.preset,
            "trained": status.bundle.trained,
            "sha256": status.bundle.sha256,
        },
        events={
            "expected": clip.segments,
            "emotion": len(emotions),
            "utterance": len(session.numbered) - len(emotions),
            "status": len(session.statuses),
            "first_seq": session.numbered[0].seq,
            "missed": session.missed,
        },
        dropped={
            "segments": events[-1].dropped.segments,
            "frames": events[-1].dropped.frames,
            "audio_ms": events[-1].dropped.audio_ms,
        },
        latency_ms=latency,
        subscriber_ms={"all": Summary.of(arrivals), "after the first 10": Summary.of(arrivals[FIRST_EVENTS:])},
        stages_ms=status.stages_ms,
        rest_ms=round(mean - sum(status.stages_ms.get(stage, 0.0) for stage in LATENCY_STAGES), 4),
        cpu=_cpu(session),
        memory_mb=_memory(session),
        start_s=_start(session),
        queues={name: max(each.queues.get(name, 0) for each in session.statuses) for name in status.queues},
        series=[
            (
                round(event.media_time, 6),
                event.latency_ms,
                round(arrival, 3),
                event.modalities.audio,
                event.modalities.video,
            )
            for event, arrival in zip(events, arrivals, strict=True)
        ],
    )


def problems(session: Session, expected: int) -> list[str]:
    """What keeps a session from being clean; `expected` segments by the grid rule."""
    events = [event for event, _ in session.emotions]
    found = []
    if session.exit_code:
        found.append(f"emostream ended with exit code {session.exit_code}")
    if session.sessions != 1:
        found.append(f"{session.sessions} sessions were seen, expected one")
    if session.numbered and session.numbered[0].seq != 0:
        found.append(f"the first event received has number {session.numbered[0].seq}, expected 0")
    if session.missed:
        found.append(f"{session.missed} events are missing between those received")
    if len(events) != expected:
        found.append(f"{len(events)} segments were received, the grid rule gives {expected}")
    off_grid = [n for n, e in enumerate(events) if abs(e.media_time - seconds(segment_end(n))) > 1e-3]
    if off_grid:
        found.append(f"segment {off_grid[0]} ends at {events[off_grid[0]].media_time} s, which is not its place")
    if events and (dropped := events[-1].dropped).segments + dropped.frames:
        found.append(f"{dropped.segments} segments and {dropped.frames} frames were dropped")
    if unknown := sum(event.latency_ms is None for event in events):
        found.append(f"{unknown} events tell no latency")
    return found


def _latencies(events: list[EmotionEvent]) -> dict[str, Summary | None]:
    known = [(event, event.latency_ms) for event in events if event.latency_ms is not None]
    groups: dict[str, list[float]] = {name: [] for name in _MODALITIES}
    for event, latency in known:
        groups[_MODALITIES[2 * (not event.modalities.video) + (not event.modalities.audio)]].append(latency)
    latencies = [latency for _, latency in known]
    whole = {"all": Summary.of(latencies), "after the first 10": Summary.of(latencies[FIRST_EVENTS:])}
    return whole | {name: Summary.of(group) for name, group in groups.items() if group}


def _cpu(session: Session) -> dict[str, float]:
    """Use of the processor from the start of the clip to its last event."""
    begun, ended = _playing(session)
    times = [sample.at for sample in session.samples]
    if not times:
        return {}
    before, after = np.interp((begun, ended), times, [sample.cpu_s for sample in session.samples]).tolist()
    idle, busy = np.interp((begun, ended), times, [sample.machine_s for sample in session.samples]).tolist()
    return {
        "percent_of_one_core": round(100.0 * (after - before) / (ended - begun), 2),
        "others_percent_of_one_core": round(100.0 * (busy - idle - (after - before)) / (ended - begun), 2),
        "playing_s": round(ended - begun, 3),
        "cpu_s_playing": round(after - before, 3),
        "cpu_s_before_playing": round(before, 3),
    }


def _memory(session: Session) -> dict[str, float | None]:
    begun, ended = _playing(session)
    playing = [sample.rss for sample in session.samples if begun <= sample.at <= ended]
    marks = [sample.high_water for sample in session.samples if sample.high_water is not None]
    return {
        "peak_sampled": _mb(max((sample.rss for sample in session.samples), default=None)),
        "peak_high_water": _mb(max(marks, default=None)),
        "at_start_of_playing": _mb(playing[0] if playing else None),
        "at_end_of_playing": _mb(playing[-1] if playing else None),
    }


def _start(session: Session) -> dict[str, float | None]:
    first, at = session.emotions[0]
    loading = next((each.at for each in session.arrivals), None)
    return {
        "first_event": round(at - session.started_at, 3),
        "first_event_minus_its_segment": round(at - session.started_at - SEGMENT_SECONDS, 3),
        "clip_starts_to_play": round(first.t_start - session.started_at, 3),
        "first_message": None if loading is None else round(loading - session.started_at, 3),
    }


def _playing(session: Session) -> tuple[float, float]:
    """Unix times of the first segment's start and of the last one's event."""
    first, last = session.emotions[0][0], session.emotions[-1]
    return first.t_start, last[1]


def _mb(size: int | None) -> float | None:
    return None if size is None else round(size / 1e6, 1)
