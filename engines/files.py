"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["replace_file"]


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
