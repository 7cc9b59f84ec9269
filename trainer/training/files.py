"""Files that a training leaves: whole or not at all, and one error where they can't be written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engines.errors import TrainingError

__all__ = ["replace_file", "writing"]


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What the system refuses while something is made in `place`, as an error with a remedy.

    Raises:
        TrainingError: a file can't be written or read.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"work in {place} stops: {error}; mend that, such as by making room, then run the same command again"
        ) from error


def replace_file(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Give a file new content at once: whoever kills the process leaves the old one or the new one.

    Args:
        file: in a folder that is there.
        write: writes the content to a stream.

    Raises:
        OSError: there is no room, or the folder can't be written.
    """
    beside = file.with_name(f"{file.name}.part")
    with beside.open("wb") as stream:
        write(stream)
    os.replace(beside, file)
