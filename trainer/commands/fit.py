"""`emostream-train fit`: the final bundle."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

import typer
from rich.console import Console

from emostream.engines.errors import ConfigError
from emostream.trainer.commands.common import plan_of, prepared, side_by_side, train_extra, work_place
from emostream.trainer.commands.option_groups import After, with_option_groups
from emostream.trainer.commands.options import BundleFolder, ComputeOptions, DataOptions, TrainingOptions, Work

__all__ = ["fit"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DEFAULTS = TrainingOptions(preset="compact", recipe="scratch", segments="voiced")


@with_option_groups
def fit(
    *,
    data: DataOptions,
    out: Annotated[BundleFolder, After("root")],
    training: TrainingOptions = _DEFAULTS,
    groups: Annotated[
        int, typer.Option(min=2, help="Groups of subjects that are left out in turn, to calibrate and measure.")
    ] = 5,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; DATASET-PRESET if not given.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights; the data's terms if not given.")] = None,
    work: Work = None,
    compute: ComputeOptions,
) -> None:
    """Train the bundle that emostream runs, with probabilities calibrated on people that it has not seen.

    Killed, the same command goes on where it was.
    """
    title = name or f"{data.dataset}-{training.preset}"
    if not _NAME.fullmatch(title):
        raise ConfigError(f"--name {title!r} is no name; expected up to 64 letters, digits, _, . and -")
    with train_extra():
        from emostream.trainer.export import refuse_existing
        from emostream.trainer.fit import FitJob
        from emostream.trainer.fit import fit as fit_bundle

        refuse_existing(out.absolute())
        place = work_place(out, "--work", work)
        console = Console(stderr=True)
        plan = plan_of(training, compute, console)
        _, corpus, _ = prepared(data, compute.jobs, console)
        job = FitJob(
            corpus=corpus,
            plan=plan,
            place=place,
            groups=groups,
            side_by_side=side_by_side(compute.jobs, compute.threads, plan.compute),
            threads=compute.threads,
            name=title,
            licence=licence or f"as the terms of the data set allow: {data.dataset}",
        )
        console.print(f"Training on {len(corpus.recordings)} recordings; unfinished work is kept in {place}.")
        bundle = fit_bundle(job, out, lambda part: console.print(f"  {part} is finished"))
    typer.echo(bundle)
    for head, figures in bundle.manifest.figures["heads"].items():
        whole = figures.get("all", {})
        typer.echo(
            f"  {head}: {100 * whole.get('accuracy', float('nan')):.1f} % of {whole.get('recordings', 0)} recordings "
            f"of people not seen in training"
        )
    typer.echo(f"Written to {out}; {place} may go.")
    typer.echo(f"Next: emostream --bundle {shlex.quote(str(out))}")
