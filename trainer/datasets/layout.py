"""What is in a folder: the known layout it follows, or else a few words on what it holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from emostream.trainer.datasets.files import walk

__all__ = ["Layout", "contents", "survey"]

_MOST_FILES = 5000


@dataclass(frozen=True)
class Layout:
    """How the owners of a data set lay it out.

    Attributes:
        text: the layout, for people.
        mark: by which it is known: a regular expression of a recording's path below the data set's folder, without
            its suffix, in any case.
        suffixes: of its recordings.
    """

    text: str
    mark: str
    suffixes: frozenset[str]

    def fits(self, names: Sequence[str]) -> bool:
        """Whether one of the files of a folder, given by their paths below it, is a recording of this layout."""
        mark = re.compile(self.mark, re.IGNORECASE)
        paths = map(PurePosixPath, names)
        return any(p.suffix.lower() in self.suffixes and mark.fullmatch(str(p.with_suffix(""))) for p in paths)


def survey(root: Path) -> list[str]:
    """Up to 5000 files of a folder, as paths below it with forward slashes.

    Raises:
        DataError: a folder can't be read.
    """
    return [path.relative_to(root).as_posix() for path in islice(walk(root), _MOST_FILES)]


def contents(names: Sequence[str]) -> str:
    """What a folder with these files holds, in a few words."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    if not kinds:
        return "no files"
    listed = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4))
    at_least = "at least " if len(names) == _MOST_FILES else ""
    return f"{at_least}{len(names)} file{'s' if len(names) > 1 else ''} ({listed}), such as {min(names)}"
