"""Any folder of recordings with a table of whose they are and which emotion they show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from emostream.engines.errors import DataError
from emostream.trainer.datasets.assemble import assemble
from emostream.trainer.datasets.base import LABEL_NAME, DataSet, ReadOptions, Recording
from emostream.trainer.datasets.files import MEDIA_SUFFIXES
from emostream.trainer.datasets.rows import csv_rows

__all__ = ["COLUMNS", "read"]

COLUMNS = ("path", "subject", "label")
_SHOWN = 3


def read(root: Path, options: ReadOptions) -> DataSet:
    """Read a table of recordings.

    Args:
        root: a CSV file, or a folder with one, with the columns `path`, `subject` and `label` in any order among any
            others; paths are relative to the CSV file's folder and stay below it.
        options: which recordings; all classes of the table where it names none.

    Returns:
        The data set.

    Raises:
        ConfigError: classes that the table doesn't have.
        DataError: no table, or several; a row with a cell missing, a path that leaves the folder, is no media file or
            is there twice, a label that is no name or differs from another one only in case; files that are missing.
    """
    table = root if root.is_file() else _find_table(root)
    recordings = _recordings(table)
    missing = [each.name for each in recordings if not each.path.is_file()]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{table} names {', '.join(missing[:_SHOWN])}{more}, which can't be found in {table.parent}; "
            f"give paths relative to the table's folder"
        )
    known = sorted({each.label for each in recordings})
    default = sorted({options.merge.get(label, label) for label in known})
    return assemble("csv", recordings, options, known=known, default=default)


def _find_table(root: Path) -> Path:
    tables = sorted(path for path in root.iterdir() if path.suffix.lower() == ".csv" and not path.name.startswith("."))
    fitting = [path for path in tables if _columns(csv_rows(path)) is not None]
    if not fitting:
        there = f"the header of {tables[0].name} lacks some" if tables else "it has no CSV file"
        raise DataError(f"{root} has no table of recordings ({there}); expected a CSV with {', '.join(COLUMNS)}")
    if len(fitting) > 1:
        raise DataError(f"{root} has the tables {fitting[0].name} and {fitting[1].name}; give the path of one of them")
    return fitting[0]


def _columns(rows: Sequence[Sequence[str]]) -> tuple[int, ...] | None:
    """Where the three columns are, or None where the first row isn't their header."""
    header = [title.lower() for title in rows[0]] if rows else []
    return tuple(map(header.index, COLUMNS)) if set(COLUMNS) <= set(header) else None


def _recordings(table: Path) -> list[Recording]:
    rows = csv_rows(table)
    columns = _columns(rows)
    if columns is None:
        raise DataError(f"{table} has no columns {', '.join(COLUMNS)}; give it a first row with these names")
    recordings: dict[str, Recording] = {}
    spellings: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        path, subject, label = (row[at] if at < len(row) else "" for at in columns)
        name = _name(path)
        if fault := _fault(path, name, subject, label, spellings.setdefault(label.lower(), label)):
            raise DataError(f"{table}, row {number}: {fault}")
        if name in recordings:
            raise DataError(f"{table}, row {number}: {name} has a row before; leave one")
        recordings[name] = Recording(name, subject, label, table.parent / name)
    return list(recordings.values())


def _name(path: str) -> str:
    """A path of a table with forward slashes, as Windows doesn't write them, and without `.` and `..`."""
    return os.path.normpath(path.replace("\\", "/")).replace(os.sep, "/")


def _fault(path: str, name: str, subject: str, label: str, spelling: str) -> str:
    """What is wrong with a row; nothing where it is fine."""
    if not (path and subject and label):
        return f"path {path!r}, subject {subject!r} and label {label!r}: expected none of them empty"
    if name.startswith(("/", "../")) or name == ".." or PureWindowsPath(path).drive:
        return f"{path} leaves the table's folder; give a path below it, or move the table up"
    if PurePosixPath(name).suffix.lower() not in MEDIA_SUFFIXES:
        return f"{path} is no recording; expected a file with one of {', '.join(sorted(MEDIA_SUFFIXES))}"
    if not LABEL_NAME.fullmatch(label):
        return f"label {label!r} is no name; expected 1 to 64 letters, digits, _ and -"
    if label != spelling:
        return f"label {label!r} was written {spelling!r} before; write it in one way"
    return ""
