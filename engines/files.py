"""Files that are whole or absent, whether a file may be written, and whether two paths lead to one file."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from emostream.engines.errors import ConfigError, PublishError

__all__ = ["check_target", "is_same_file", "replace_file", "replacing", "unfinished_files"]


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Replace a file by what is written to another path, once all of it is written.

    A process that is killed leaves the old file or the new one, and perhaps an unfinished one, which `unfinished_files`
    finds. Several processes may replace the same file; the last one wins.

    Args:
        file: in a folder that exists; the file itself need not.

    Yields:
        A path beside it with the same suffix and a unique name. It is removed if an exception leaves the block.

    Raises:
        OSError: there is no room, or the folder can't be written.
    """
    part = file.with_name(f".{file.stem}.{uuid4().hex}.part{file.suffix}")
    try:
        yield part
        os.replace(part, file)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def replace_file(file: Path, content: bytes) -> None:
    """Replace a file at once; see `replacing`."""
    with replacing(file) as part:
        part.write_bytes(content)


def unfinished_files(folder: Path, file: Path | None = None) -> Iterator[Path]:
    """What killed processes left of files that they were replacing in a folder; of one `file` alone, if given."""
    name = "*" if file is None else f"{glob.escape(file.stem)}.*"
    return folder.glob(f".{name}.part*")


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
