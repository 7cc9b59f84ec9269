"""`emostream-train prepare`: cut a data set into segments, once."""

from __future__ import annotations

import time

import typer
from rich.console import Console

from emostream.trainer.commands import options
from emostream.trainer.commands.common import Data, prepared, train_extra
from emostream.trainer.cores import usable_cores

__all__ = ["prepare"]


def prepare(
    root: options.Root,
    dataset: options.DatasetName,
    labels: options.Labels = None,
    merge: options.Merge = None,
    modality: options.Modality = "both",
    cache: options.Cache = None,
    face_model: options.FaceModel = None,
    jobs: options.Jobs = 0,
) -> None:
    """Cut a data set into segments and say what became of every recording; training then starts at once."""
    begun = time.monotonic()
    with train_extra():
        from emostream.trainer.reports.preparation import Preparation, preparation_tables

        data = Data(dataset, root, labels, merge, modality, cache, face_model)
        found, corpus, cut = prepared(data, jobs, Console(stderr=True))
        Console().print(preparation_tables(Preparation.of(found)), soft_wrap=True)  # names stay whole
    seconds = time.monotonic() - begun
    if cut:
        speed = cut / seconds / (jobs or usable_cores())
        typer.echo(f"{cut:.0f} s of recordings cut in {seconds:.0f} s: {speed:.1f} times real time per process.")
    typer.echo(f"Segments in {corpus.store.folder}.")
