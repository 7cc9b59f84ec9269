"""Files that are there whole or not at all, whether they may be written, and whether two are one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from emostream.engines.errors import ConfigError, PublishError

__all__ = ["check_target", "is_same_file", "replace_file"]


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


def check_target(target: Path, *, force: bool, source: Path | None = None) -> None:
    """Refuse a file that may not be written, before any work is done for it.

    Args:
        target: the file to come.
        force: whether it may replace another one.
        source: what is read, which is never replaced.

    Raises:
        ConfigError: it is the source, or is there already.
        PublishError: its folder is missing, or can't be written.
    """
    if source is not None and is_same_file(target, source):
        raise ConfigError(f"{target} is what is read; name another file")
    if target.is_dir():
        raise ConfigError(f"{target} is a folder; name a file")
    if not force and os.path.lexists(target):
        raise ConfigError(f"{target} is there already; name another file, or say --force to replace it")
    reachable = target.parent.is_dir()
    if not reachable or not os.access(target.parent, os.W_OK):
        reason = "Permission denied" if reachable else "there is no such folder"
        raise PublishError(f"can't write {target}: {reason}; name a file in a folder that you may write to")


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file; what is no file is the same as none."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
