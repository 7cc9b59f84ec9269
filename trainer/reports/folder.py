"""A report's folder, replaced as a whole."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emostream.engines.errors import ConfigError, PublishError

__all__ = ["check_folder", "replacing", "write_csv"]


def check_folder(out: Path, own: Collection[str]) -> None:
    """Whether a report may take the place of a folder; asked before a long run, too.

    Args:
        out: the folder.
        own: names of what a report of this kind consists of.

    Raises:
        ConfigError: it holds something else, which would be lost, or it is no folder.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ConfigError(f"report {out} is no folder; expected a new one, or one with an older report of this kind")
    if out.is_dir() and (foreign := sorted(each.name for each in out.iterdir() if each.name not in own)):
        raise ConfigError(f"folder {out} holds {foreign[0]}, which is no part of this report; name another folder")


@contextmanager
def replacing(out: Path, own: Collection[str]) -> Iterator[Path]:
    """An empty folder that takes the place of `out` at the end; after a failure, `out` is as it was.

    Raises:
        ConfigError: `out` holds something else than a report of this kind.
        PublishError: there is no room, or no permission.
    """
    target = out.absolute()
    try:
        check_folder(target, own)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            fresh, older = Path(scratch) / "fresh", Path(scratch) / "older"
            fresh.mkdir()  # the scratch folder itself is closed to others
            yield fresh
            replaced = target.exists()
            if replaced:
                target.rename(older)
            try:
                fresh.rename(target)
            except BaseException:  # an interruption too: the scratch folder is about to be removed
                if replaced:
                    older.rename(target)
                raise
    except OSError as error:
        raise PublishError(
            f"the report can't be written to {out}: {error.strerror or error}; "
            "expected a place that you may write to, with room for it"
        ) from error


def write_csv(file: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table in UTF-8."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows(rows)
