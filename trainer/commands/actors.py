"""`emostream-train act` and `actors`: a clip of the synthetic actor, and a whole data set of invented people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from emostream.engines.errors import ConfigError, PublishError
from emostream.engines.files import check_target, replacing
from emostream.trainer.commands import options
from emostream.trainer.commands.common import train_extra
from emostream.trainer.cores import usable_cores

__all__ = ["act", "actors"]

_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")


def actors(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to fill; an unfinished one is gone on with.")],
    layout: Annotated[str, typer.Option(metavar="rml|enterface05|baum1s|csv", help="Whose folders it imitates.")],
    subjects: Annotated[int, typer.Option(min=1, help="Invented people.")] = 8,
    takes: Annotated[int, typer.Option(min=1, help="Recordings of each person with each emotion.")] = 2,
    seconds: Annotated[float, typer.Option(help="Mean length of a recording.")] = 2.7,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the pictures.")] = "320x240",
    seed: Annotated[int, typer.Option(min=0, max=options.MAX_SEED, help="Of people and takes.")] = 0,
    jobs: options.Jobs = 0,
) -> None:
    """Draw and voice a data set whose answer is known: neither voice nor face tells all, both together do.

    It checks a training from end to end, and says nothing about people.
    """
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ConfigError(f"--size {size} is no size; expected such as 320x240")
    with train_extra():
        from emostream.trainer.actors.dataset import write_dataset

        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("drawing", total=None)
            count = write_dataset(
                out,
                layout,
                subjects=subjects,
                takes=takes,
                seconds=seconds,
                size=(int(match[1]), int(match[2])),
                seed=seed,
                jobs=jobs or usable_cores(),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    typer.echo(f"{count} recordings of {subjects} invented {'people' if subjects > 1 else 'person'} in {out}.")


def act(
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4", help="File to write; replaced if it exists.")],
    actor: Annotated[int, typer.Option(min=0, help="Which invented person plays.")] = 1,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="How often the script of 11.8 s is played.")] = 1,
) -> None:
    """Draw and voice a short clip of an invented person, to try the stream without a camera."""
    from emostream.trainer.actors.clip import DEMO_SCRIPT, write_clip

    if out.suffix != ".mp4":
        raise ConfigError(f"{out} does not end in .mp4, the one kind of file that is written; name it OUT.mp4")
    check_target(out, force=True)
    try:
        with replacing(out) as part:
            write_clip(part, actor=actor, script=DEMO_SCRIPT * repeat)
    except OSError as error:
        raise PublishError(f"can't write {out}: {error.strerror}") from None
    typer.echo(f"Written to {out}.")
