"""Files that are there whole or not at all, and whether two are one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["is_same_file", "replace_file"]


def replace_file(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Give a file new content at once: whoever kills the process leaves the old one or the new one.

    Args:
        file: in a folder that is there; no other process writes it.
        write: writes the content to a stream.

    Raises:
        OSError: there is no room, or the folder can't be written.
    """
    beside = file.with_name(f"{file.name}.part")
    try:
        with beside.open("wb") as stream:
            write(stream)
        os.replace(beside, file)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file; what is no file is the same as none."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
