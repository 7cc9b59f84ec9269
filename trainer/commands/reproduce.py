"""`emostream-train reproduce`: the paper's protocol and all of its tables on one data set."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from emostream.engines.errors import ConfigError
from emostream.trainer.commands.common import (
    command_line,
    plan_of,
    prepared,
    side_by_side,
    train_extra,
    work_place,
)
from emostream.trainer.commands.option_groups import After, with_option_groups
from emostream.trainer.commands.options import ComputeOptions, DataOptions, TrainingOptions

if TYPE_CHECKING:
    from emostream.trainer.estimate import Estimate
    from emostream.trainer.protocol.fold import FoldJob

__all__ = ["reproduce"]

_DEFAULTS = TrainingOptions(preset="paper", recipe="paper", segments="all")


@with_option_groups
def reproduce(
    *,
    data: DataOptions,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the report; reproduce-DATASET if not given."),
        After("dataset"),
    ] = None,
    training: TrainingOptions = _DEFAULTS,
    folds: Annotated[
        int | None, typer.Option(min=1, help="Run only so many of the folds."), After("freeze_conv")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking, however long it takes.")] = False,
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep the networks of every fold.")] = False,
    ray: Annotated[str | None, typer.Option(metavar="HOST:PORT|local", help="Run the folds on a Ray cluster.")] = None,
    compute: ComputeOptions,
) -> None:
    """Train and test on people held out, as the paper does, and print its tables I to XI beside ours.

    First it says how long that will take, and asks. Killed, the same command goes on where it was.
    """
    begun = time.monotonic()
    with train_extra():
        from emostream.trainer.estimate import estimate
        from emostream.trainer.protocol.fold import FoldJob, finished
        from emostream.trainer.protocol.folds import folds_of
        from emostream.trainer.protocol.run import run_folds
        from emostream.trainer.reports.facts import RunFacts
        from emostream.trainer.reports.outcomes import read_outcomes
        from emostream.trainer.reports.summary import summary
        from emostream.trainer.reports.write import check_place, write_report

        report = out or Path(f"reproduce-{data.dataset}")
        check_place(report)
        work = work_place(report, "--out")
        console = Console(stderr=True)
        plan = plan_of(training, compute, console)
        found, corpus, _ = prepared(data, compute.jobs, console)
        every = folds_of(replace(found.dataset, recordings=corpus.recordings))
        runs = [
            FoldJob(corpus, fold, plan, work / _folder(number, fold.name), compute.threads, keep_weights)
            for number, fold in enumerate(every[:folds], 1)
        ]
        at_once = side_by_side(compute.jobs, compute.threads, plan.compute)
        waiting = [run for run in runs if not finished(run)]
        if waiting:
            per_fold = estimate(corpus, plan, len(every), compute.threads)
            _announce(console, per_fold, len(waiting), min(at_once, len(waiting)), work)
            if not yes:
                _ask()
            run_folds(waiting, side_by_side=at_once, ray_address=ray, progress=_counting(console, len(waiting)))
        places = {run.fold.name: run.place for run in runs}
        facts = RunFacts.of(found, plan, every, places, command=command_line(), seconds=time.monotonic() - begun)
        outcomes = read_outcomes(places, corpus.classes)
        written = write_report(report, facts, outcomes)
        Console().print(summary(facts, outcomes))
    typer.echo(f"Report: {written}; unfinished and finished folds: {work}")


def _folder(number: int, fold: str) -> str:
    """A folder's name for a fold; subjects may be called anything."""
    return f"{number:02d}-{re.sub(r'[^A-Za-z0-9_.-]', '_', fold)[:60]}"


def _announce(console: Console, per_fold: Estimate, folds: int, at_once: int, work: Path) -> None:
    rounds = -(-folds // at_once)
    parts = ", ".join(
        f"{name} {_span(seconds)}"
        for name, seconds in (("audio", per_fold.audio), ("video", per_fold.video), ("fusion", per_fold.fusion))
    )
    console.print(
        f"{folds} folds, {at_once} at once, about {_span(per_fold.fold)} each ({parts}): "
        f"about {_span(rounds * per_fold.fold)} on this machine. "
        "--epochs, --freeze-conv and --folds make it shorter.",
        highlight=False,
    )
    console.print(f"What is finished is kept in {work}: interrupted, the same command goes on.", highlight=False)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _ask() -> None:
    if not sys.stdin.isatty():
        raise ConfigError("nobody is there to be asked whether that may take so long; give --yes")
    typer.confirm("Begin?", abort=True)


def _counting(console: Console, total: int) -> Callable[[FoldJob], None]:
    done = 0

    def report(job: FoldJob) -> None:
        nonlocal done
        done += 1
        console.print(f"  fold {job.fold.name} is finished ({done} of {total})", highlight=False)

    return report
