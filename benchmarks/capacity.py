"""How many live streams a machine carries: `python -m benchmarks.capacity`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.capacity_plot import plot
from benchmarks.capacity_report import LARGEST_P99_MS, CapacityReport, CapacityTrial, markdown
from benchmarks.command import run_command, shown_command
from benchmarks.latency_report import problems
from benchmarks.machine import Machine
from benchmarks.material import Clip, actor_clip, chosen_bundle
from benchmarks.session import Session, run_sessions
from benchmarks.tables import Summary, figure, today, write_report
from emostream.engines.bundle import Bundle
from emostream.engines.errors import EngineError
from emostream.trainer.networks.presets import PRESETS

__all__ = ["main", "search", "tried"]

_HELP = """Measure how many live streams this machine carries: 99 % of their events within 300 ms, and nothing dropped.

The streams run in one emostream on one engine, each with a clip at live pace. Their number is doubled until it is too
large, then halved in between. What is measured is the time in which all of them play. Writes NAME.md, NAME.json and
NAME.png.
"""

_SETTLING_S = 1.0  # after the last stream has begun

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

    def attempt(streams: int) -> CapacityTrial:
        try:
            sessions = run_sessions(clip, chosen, engine, precision, streams)
        except EngineError as error:  # a machine that is far too busy
            return CapacityTrial(streams, False, [str(error)], None, 0.0, 0.0)
        status = sessions[0].statuses[-1].engine
        if status is not None:
            used.update(name=status.name, device=status.device, precision=status.precision)
        found = tried(sessions, contents.segments)
        print(_said(found), flush=True)
        return found

    options += ["--seconds", f"{seconds:g}", "--most", str(most), "--engine", engine, "--precision", precision]
    trials = search(attempt, most)
    result = CapacityReport(
        benchmark="capacity",
        date=date,
        command=shown_command("capacity", options),
        machine=Machine.this(),
        engine=used,
        bundle={"name": manifest.name, "preset": manifest.preset},
        clip=contents,
        trials=trials,
    )
    name = name or f"capacity-{manifest.preset}-{used.get('name', engine)}-{used.get('precision', precision)}"
    write_report(output, name, result, markdown(result, name), partial(plot, result))


def search(attempt: Callable[[int], CapacityTrial], most: int) -> list[CapacityTrial]:
    """Double the streams until they are too many, then halve the gap; trials by number of streams.

    Args:
        attempt: tries so many.
        most: to try.
    """
    trials: dict[int, CapacityTrial] = {}

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


def tried(sessions: list[Session], expected: int) -> CapacityTrial:
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
    return CapacityTrial(len(sessions), not found, found, latency, round(percent, 1), round(memory / 1e6, 1))


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "capacity")


def _said(trial: CapacityTrial) -> str:
    p99 = figure(trial.latency_ms.p99 if trial.latency_ms else None)
    return f"{trial.streams} streams: p99 {p99} ms, " + ("carried" if trial.carried else trial.problems[0])


if __name__ == "__main__":
    main()
