"""`emostream-train prepare`: cut a data set into segments, once."""

from __future__ import annotations

import time

import typer
from rich.console import Console

from emostream.trainer.commands.common import prepared, train_extra
from emostream.trainer.commands.option_groups import with_option_groups
from emostream.trainer.commands.options import DataOptions, Jobs
from emostream.trainer.cores import usable_cores

__all__ = ["prepare"]


@with_option_groups
def prepare(*, data: DataOptions, jobs: Jobs = 0) -> None:
    """Cut a data set into segments and say what became of every recording; training then starts at once."""
    begun = time.monotonic()
    with train_extra():
        from emostream.trainer.reports.preparation import Preparation, preparation_tables

        found, corpus, cut = prepared(data, jobs, Console(stderr=True))
        Console().print(preparation_tables(Preparation.of(found)), soft_wrap=True)  # names stay whole
    seconds = time.monotonic() - begun
    if cut:
        speed = cut / seconds / (jobs or usable_cores())
        typer.echo(f"{cut:.0f} s of recordings cut in {seconds:.0f} s: {speed:.1f} times real time per process.")
    typer.echo(f"Segments in {corpus.store.folder}.")
