"""Folders that look like data sets: readers look at names, so most files are empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import openpyxl

from emostream.trainer.datasets.base import DataSet

STRAYS = ("Thumbs.db", "desktop.ini", ".DS_Store", "._an1.avi", "readme.txt", "__MACOSX/s1/an1.avi", ".git/ha1.avi")


def tree(root: Path, names: Iterable[str], content: bytes = b"") -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def sheet(path: Path, rows: Iterable[Iterable[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def whose(data: DataSet) -> dict[str, tuple[str, str]]:
    """Subject and label by name."""
    return {each.name: (each.subject, each.label) for each in data.recordings}


def per_label(data: DataSet) -> dict[str, int]:
    return dict(Counter(each.label for each in data.recordings))
