"""How many live streams a machine carries: `python -m benchmarks.capacity`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.capacity_plot import plot
from benchmarks.command import run_command
from benchmarks.latency_report import problems
from benchmarks.machine import Machine
from benchmarks.material import Clip, actor_clip, chosen_bundle
from benchmarks.session import Session, run_sessions
from benchmarks.tables import Summary, figure, markdown_table, today, write_report
from emostream.engines.bundle import Bundle
from emostream.engines.errors import EngineError
from emostream.trainer.networks.presets import PRESETS

__all__ = ["LARGEST_P99_MS", "Report", "Trial", "main", "markdown", "search", "tried"]

_HELP = """Measure how many live streams this machine carries: 99 % of their events within 300 ms, and nothing dropped.

The streams run in one emostream on one engine, each with a clip at live pace. Their number is doubled until it is too
large, then halved in between. What is measured is the time in which all of them play. Writes NAME.md, NAME.json and
NAME.png.
"""

LARGEST_P99_MS = 300.0

_SETTLING_S = 1.0  # after the last stream has begun


@dataclass(frozen=True)
class Trial:
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
class Report:
    """What was found, and on what.

    Attributes:
        benchmark: its name.
        date: of the measurement.
        command: that gave it.
        machine: that it ran on.
        engine: name, device and precision.
        bundle: name and preset.
        clip: that every stream plays.
        trials: by number of streams.
    """

    benchmark: str
    date: str
    command: str
    machine: Machine
    engine: dict[str, str]
    bundle: dict[str, str]
    clip: Clip
    trials: list[Trial]

    @property
    def streams(self) -> int:
        """The most that were carried; 0 for none."""
        return max((trial.streams for trial in self.trials if trial.carried), default=0)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _capacity(
    bundle: Annotated[Path | None, typer.Option(help="A bundle's folder or .zip.")] = None,
    preset: Annotated[str | None, typer.Option(metavar="|".join(PRESETS), help="Untrained, of this size.")] = None,
    seconds: Annotated[float, typer.Option(min=5.0, max=600.0, help="Length of the clip.")] = 20.0,
    most: Annotated[int, typer.Option(min=1, max=256, help="Try no more streams than so many.")] = 64,
    engine: Annotated[str, typer.Option(help="As for emostream.")] = "auto",
    precision: Annotated[str, typer.Option(help="As for emostream.")] = "auto",
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[
        str | None, typer.Option(help="Name of the report's files; capacity-PRESET-ENGINE-PRECISION if not given.")
    ] = None,
) -> None:
    chosen, options = chosen_bundle(bundle, preset)
    manifest = Bundle.load(chosen).manifest
    clip = actor_clip(seconds)
    contents = Clip.of(clip)
    date = today()
    used: dict[str, str] = {}

    def attempt(streams: int) -> Trial:
        try:
            sessions = run_sessions(clip, chosen, engine, precision, streams)
        except EngineError as error:  # a machine that is far too busy
            return Trial(streams, False, [str(error)], None, 0.0, 0.0)
        status = sessions[0].statuses[-1].engine
        if status is not None:
            used.update(name=status.name, device=status.device, precision=status.precision)
        found = tried(sessions, contents.segments)
        print(_said(found), flush=True)
        return found

    options += ["--seconds", f"{seconds:g}", "--most", str(most), "--engine", engine, "--precision", precision]
    trials = search(attempt, most)
    result = Report(
        benchmark="capacity",
        date=date,
        command=shlex.join(["python", "-m", "benchmarks.capacity", *options]),
        machine=Machine.this(),
        engine=used,
        bundle={"name": manifest.name, "preset": manifest.preset},
        clip=contents,
        trials=trials,
    )
    name = name or f"capacity-{manifest.preset}-{used.get('name', engine)}-{used.get('precision', precision)}"
    write_report(output, name, result, markdown(result, name), partial(plot, result))


def search(attempt: Callable[[int], Trial], most: int) -> list[Trial]:
    """Double the streams until they are too many, then halve the gap; trials by number of streams.

    Args:
        attempt: tries so many.
        most: to try.
    """
    trials: dict[int, Trial] = {}

    def carried(streams: int) -> bool:
        trials[streams] = attempt(streams)
        return trials[streams].carried

    fewest, streams = 0, 1
    while carried(streams):
        fewest = streams
        if streams == most:
            break
        streams = min(2 * streams, most)
    else:
        while streams - fewest > 1:
            middle = (fewest + streams) // 2
            if carried(middle):
                fewest = middle
            else:
                streams = middle
    return [trials[count] for count in sorted(trials)]


def tried(sessions: list[Session], expected: int) -> Trial:
    """What sessions that ran at once say of the time in which all of them played.

    Args:
        sessions: one for each stream of a process, with an event or more.
        expected: segments of each.
    """
    begun = max(session.emotions[0][0].t_start for session in sessions) + _SETTLING_S
    ended = min(session.emotions[-1][0].t_end for session in sessions)
    latencies, found = [], []
    for number, session in enumerate(sessions):
        found += [f"stream {number}: {problem}" for problem in problems(session, expected)]
        own = [event for event, _ in session.emotions if begun <= event.t_end <= ended]
        latencies += [event.latency_ms for event in own if event.latency_ms is not None]
    samples = sessions[0].samples  # of the process, which all share
    times = [sample.at for sample in samples]
    before, after = np.interp((begun, ended), times, [sample.cpu_s for sample in samples])
    memory = max(sample.rss for sample in samples)
    latency = Summary.of(latencies)
    if latency is None:
        found.append("the streams never played all at once; a longer clip may help")
    elif latency.p99 > LARGEST_P99_MS:
        found.append(f"p99 is {latency.p99:.0f} ms, at most {LARGEST_P99_MS:.0f} is asked")
    percent = 100.0 * float(after - before) / (ended - begun) if ended > begun else 0.0
    return Trial(len(sessions), not found, found, latency, round(percent, 1), round(memory / 1e6, 1))


def markdown(result: Report, name: str) -> str:
    """The report as text; `name` is that of the plot's file."""
    one = next((trial for trial in result.trials if trial.streams == 1), None)
    parts = [
        f"# Live streams, {result.bundle['preset']} preset, {result.engine.get('name', '-')} "
        f"{result.engine.get('precision', '')}",
        f"**{result.streams}** streams at once, in one process on one engine, with 99 % of events within "
        f"{LARGEST_P99_MS:.0f} ms and nothing dropped. {result.date}, `{result.command}`",
        f"![latency, processor and memory over the number of streams]({name}.png)",
        markdown_table(("machine", ""), result.machine.rows()),
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
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "capacity")


def _row(trial: Trial, one: Trial | None) -> tuple[str, ...]:
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


def _said(trial: Trial) -> str:
    p99 = figure(trial.latency_ms.p99 if trial.latency_ms else None)
    return f"{trial.streams} streams: p99 {p99} ms, " + ("carried" if trial.carried else trial.problems[0])


if __name__ == "__main__":
    main()
