"""`emostream-train fit`: the final bundle."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from emostream.engines.errors import ConfigError
from emostream.trainer.commands import options
from emostream.trainer.commands.common import Data, plan_of, prepared, side_by_side, train_extra, work_place

__all__ = ["fit"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def fit(
    root: options.Root,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; must not exist, or be empty.")],
    dataset: options.DatasetName,
    labels: options.Labels = None,
    merge: options.Merge = None,
    modality: options.Modality = "both",
    cache: options.Cache = None,
    face_model: options.FaceModel = None,
    preset: options.PresetName = "compact",
    recipe: options.RecipeName = "scratch",
    epochs: options.Epochs = None,
    freeze_conv: options.FreezeConv = False,
    audio_weights: options.AudioWeights = None,
    video_weights: options.VideoWeights = None,
    video_order: options.VideoOrder = "auto",
    segments: options.SegmentChoice = "voiced",
    groups: Annotated[
        int, typer.Option(min=2, help="Groups of subjects that are left out in turn, to calibrate and measure.")
    ] = 5,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; DATASET-PRESET if not given.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights; the data's terms if not given.")] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of unfinished trainings; OUT.work if not given.")
    ] = None,
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    jobs: options.Jobs = 0,
    threads: options.Threads = 1,
) -> None:
    """Train the bundle that emostream runs, with probabilities calibrated on people that it has not seen.

    Killed, the same command goes on where it was.
    """
    title = name or f"{dataset}-{preset}"
    if not _NAME.fullmatch(title):
        raise ConfigError(f"--name {title!r} is no name; expected up to 64 letters, digits, _, . and -")
    with train_extra():
        from emostream.trainer.export import refuse_existing
        from emostream.trainer.fit import FitJob
        from emostream.trainer.fit import fit as fit_bundle

        refuse_existing(out.absolute())
        place = work_place(out, "--work", work)
        console = Console(stderr=True)
        plan = plan_of(
            preset=preset,
            recipe=recipe,
            epochs=epochs,
            freeze_conv=freeze_conv,
            audio_weights=audio_weights,
            video_weights=video_weights,
            video_order=video_order,
            segments=segments,
            seed=seed,
            precision=precision,
            console=console,
        )
        data = Data(dataset, root, labels, merge, modality, cache, face_model)
        _, corpus, _ = prepared(data, jobs, console)
        job = FitJob(
            corpus=corpus,
            plan=plan,
            place=place,
            groups=groups,
            side_by_side=side_by_side(jobs, threads, plan.compute),
            threads=threads,
            name=title,
            licence=licence or f"as the terms of the data set allow: {dataset}",
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
