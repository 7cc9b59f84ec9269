"""`emostream-train finder`: a face finder of one's own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from emostream.trainer.commands.common import train_extra
from emostream.trainer.cores import usable_cores

__all__ = ["finder"]


def finder(
    photos: Annotated[
        Path,
        typer.Argument(metavar="PHOTOS", help="Folder with faces_in_photos, no_faces, fer2013.npz and ferplus."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the finder, and for unfinished work.")],
    teacher: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YuNet's file; the one of `emostream models get yunet` if not given."),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0 is one for each core.")] = 0,
) -> None:
    """Train a face finder by distillation from YuNet, for --face-detector finder --face-model OUT.

    Killed, the same command goes on where it was.
    """
    with train_extra():
        from emostream.engines.frontend.detectors.choose import choose_detector
        from emostream.trainer.finder.build import FinderRecipe, build_finder

        begun = time.monotonic()
        model = choose_detector("yunet", teacher).model
        assert model is not None, "choose_detector gives YuNet its model"
        found = build_finder(photos, out, model, recipe=FinderRecipe(), threads=threads or usable_cores())
    typer.echo(
        f"Written to {out} after {(time.monotonic() - begun) / 60:.0f} minutes: threshold {found['threshold']}, "
        f"{found['false']} false faces in 100 faceless validation pictures, {found['recall']} % of validation faces "
        "found."
    )
