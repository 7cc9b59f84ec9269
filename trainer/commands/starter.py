"""`emostream-train starter`: the bundle that emostream runs where none is named, trained anew."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from emostream.trainer.commands.common import cut_segments, side_by_side, train_extra, work_place
from emostream.trainer.commands.option_groups import with_option_groups
from emostream.trainer.commands.options import BundleFolder, Cache, ComputeOptions, Work
from emostream.trainer.networks.presets import COMPACT

__all__ = ["starter"]


@with_option_groups
def starter(
    *,
    voices: Annotated[Path, typer.Argument(metavar="RAVDESS", help="Folder of RAVDESS's speech, as distributed.")],
    faces: Annotated[Path, typer.Argument(metavar="FER2013", help="fer2013.csv, icml_face_data.csv or fer2013.npz.")],
    out: BundleFolder,
    cache: Cache = None,
    work: Work = None,
    compute: ComputeOptions,
) -> None:
    """Train the starter bundle anew: the voices of RAVDESS and the faces of FER2013.

    Killed, the same command goes on where it was.
    """
    with train_extra():
        from emostream.engines.frontend.detectors.choose import VIOLA_JONES
        from emostream.trainer.export import refuse_existing
        from emostream.trainer.starter.build import build
        from emostream.trainer.starter.faces import check_faces
        from emostream.trainer.starter.parts import StarterJob
        from emostream.trainer.starter.recipe import STARTER_RECIPE
        from emostream.trainer.starter.voices import Voices, read_voices
        from emostream.trainer.training.compute import Compute

        refuse_existing(out.absolute())
        place = work_place(out, "--work", work)
        chosen = Compute.best(compute.precision)
        heard = read_voices(voices)
        check_faces(faces)
        console = Console(stderr=True)
        _, ravdess, _ = cut_segments(heard, cache, VIOLA_JONES, compute.jobs, console)
        console.print(f"Training the starter; unfinished work is kept in {place}.")
        job = StarterJob(
            voices=Voices.of(ravdess),
            faces=faces,
            place=place,
            recipe=STARTER_RECIPE,
            preset=COMPACT,
            seed=compute.seed,
            compute=chosen,
            side_by_side=side_by_side(compute.jobs, compute.threads, chosen),
            threads=compute.threads,
        )
        bundle, figures = build(job, out, lambda part: console.print(f"  {part} finished"))
    typer.echo(bundle)
    for line in _lines(figures):
        typer.echo(f"  {line}")
    typer.echo(f"Written to {out}; {place} may go.")
    typer.echo(f"Next: emostream --bundle {shlex.quote(str(out))}")


def _lines(figures: dict[str, Any]) -> list[str]:
    """What the three heads reach, a line each."""
    voice, face, fused = (figures[name] for name in ("audio", "video", "fused"))
    clean, pairs = face["non_duplicates"]["1"], fused["all"]
    return [
        f"audio: unweighted recall {100 * voice['all']['unweighted_recall']:.1f} % on actors not heard in training",
        f"video: accuracy {100 * clean['accuracy']:.1f} % on {clean['count']} faces that are in no other split",
        f"fused: log-loss {pairs['log_loss']:.3f} on pairs of strangers, {pairs['product_rule_log_loss']:.3f} by the "
        "product of both heads",
    ]
