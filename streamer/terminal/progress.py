"""Progress bars of the commands that read a clip or a long file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from emostream.engines.media.container import open_container

__all__ = ["Begin", "length_of", "showing"]

Begin: TypeAlias = Callable[[str, float | None], Callable[[float], None]]


@contextmanager
def showing() -> Iterator[Begin]:
    """Progress bars on standard error.

    What is given makes one, of a total that may not be known, and gives what moves it to where the work is.
    """
    percent = TextColumn("{task.percentage:>3.0f} %")
    columns = TextColumn("{task.description}"), BarColumn(), percent, TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def begin(what: str, total: float | None) -> Callable[[float], None]:
            task = progress.add_task(what, total=total)
            return lambda done: progress.update(task, completed=done if total is None else min(done, total))

        yield begin


def length_of(clip: Path) -> float | None:
    """Seconds of a clip, as its container says; None where it doesn't.

    Raises:
        SourceError: it can't be opened.
    """
    with open_container(str(clip)) as container:
        return container.duration / 1_000_000 if container.duration else None
