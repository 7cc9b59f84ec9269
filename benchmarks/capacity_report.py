"""The report of the capacity benchmark: its figures and its page."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.machine import Measured
from benchmarks.material import Clip
from benchmarks.tables import Summary, figure, markdown_table, page

__all__ = ["LARGEST_P99_MS", "CapacityReport", "CapacityTrial", "markdown"]

LARGEST_P99_MS = 300.0


@dataclass(frozen=True)
class CapacityTrial:
    """So many streams at once.

    Attributes:
        streams: how many.
        carried: whether they all kept up.
        problems: why not.
        latency_ms: of all their events, from the capture of a segment's end to sending.
        cpu_percent: of one core, by all of them together.
        memory_mb: resident memory at the most, MB.
    """

    streams: int
    carried: bool
    problems: list[str]
    latency_ms: Summary | None
    cpu_percent: float
    memory_mb: float


@dataclass(frozen=True)
class CapacityReport(Measured):
    """What was found, and on what.

    Attributes:
        engine: name, device and precision.
        bundle: name and preset.
        clip: that every stream plays.
        trials: by number of streams.
    """

    engine: dict[str, str]
    bundle: dict[str, str]
    clip: Clip
    trials: list[CapacityTrial]

    @property
    def streams(self) -> int:
        """The most that were carried; 0 for none."""
        return max((trial.streams for trial in self.trials if trial.carried), default=0)


def markdown(result: CapacityReport, name: str) -> str:
    """The report as text; `name` is that of the plot's file."""
    one = next((trial for trial in result.trials if trial.streams == 1), None)
    head = result.head(
        f"Live streams, {result.bundle['preset']} preset, {result.engine.get('name', '-')} "
        f"{result.engine.get('precision', '')}",
        lead=f"**{result.streams}** streams at once, in one process on one engine, with 99 % of events within "
        f"{LARGEST_P99_MS:.0f} ms and nothing dropped.",
        picture=f"![latency, processor and memory over the number of streams]({name}.png)",
    )
    parts = [
        *head,
        f"Clip: {result.clip.name}, {result.clip.seconds:.1f} s. Processor and memory are those of all streams, the "
        "decoding of their clips included.",
        markdown_table(
            (
                "streams",
                "p50, ms",
                "p99, ms",
                "max, ms",
                "% of one core",
                "a stream's, of a single one's",
                "memory, MB",
                "MB for each further one",
                "kept up",
            ),
            [_row(trial, one) for trial in result.trials],
        ),
    ]
    return page(parts)


def _row(trial: CapacityTrial, one: CapacityTrial | None) -> tuple[str, ...]:
    latency = trial.latency_ms
    relative = trial.cpu_percent / trial.streams / one.cpu_percent if one and one.cpu_percent else None
    more = (trial.memory_mb - one.memory_mb) / (trial.streams - 1) if one and trial.streams > 1 else None
    return (
        str(trial.streams),
        *((figure(each) for each in (latency.p50, latency.p99, latency.max)) if latency else "---"),
        figure(trial.cpu_percent),
        figure(relative),
        figure(trial.memory_mb),
        figure(more),
        "yes" if trial.carried else f"no: {trial.problems[0]}",
    )
