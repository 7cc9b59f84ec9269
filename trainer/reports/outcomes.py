"""What the folds of a run have decided, put together again."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostream.engines.errors import DataError
from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.scores import Scores, score

__all__ = ["FIRST_COLUMNS", "Outcomes", "read_outcomes"]

FIRST_COLUMNS = ("recording", "subject", "truth")  # of a fold's decisions; a column a method follows
_REMEDY = "remove the fold's folder and run the same command again"

Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The decisions of every method on the n tested recordings.

    Attributes:
        classes: the labels, in the order of class axes.
        recordings: their names.
        subjects: who speaks, [n].
        folds: name of the fold that tested a recording, [n].
        truth: classes, int64 [n].
        predicted: classes by method's key, int64 [n]; -1 for no decision.
    """

    classes: tuple[str, ...]
    recordings: tuple[str, ...]
    subjects: Names
    folds: Names
    truth: Ints
    predicted: dict[str, Ints]

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """Figures of every method, by its key."""
        classes = len(self.classes)
        return {
            key: score(self.truth, predicted, classes, self.subjects, self.folds)
            for key, predicted in self.predicted.items()
        }


def read_outcomes(places: Mapping[str, Path], classes: Sequence[str]) -> Outcomes:
    """Read the decisions of finished folds.

    Args:
        places: folder of each fold, by the fold's name.
        classes: the labels, in order.

    Returns:
        All of them, sorted by recording.

    Raises:
        DataError: there is no fold or no recording, a file is missing or damaged, it doesn't fit the classes or the
            methods of this emostream, or a recording or a subject was tested in two folds.
    """
    if not places:
        raise DataError("no fold is finished, so there is nothing to report; expected at least one")
    codes = {label: number for number, label in enumerate(classes)}
    seen: dict[str, str] = {}  # fold by recording
    homes: dict[str, str] = {}  # fold by subject
    rows: list[tuple[str, str, str, list[int]]] = []
    for fold, place in places.items():
        file = place / "decisions.csv"
        for recording, subject, truth, *decisions in _rows(file):
            for label in (truth, *filter(None, decisions)):  # an empty decision is none
                if label not in codes:
                    raise DataError(
                        f"{file} gives {recording} the label {label!r}; expected one of {', '.join(classes)}; {_REMEDY}"
                    )
            if recording in seen:
                raise DataError(f"{recording} was tested in the folds {seen[recording]} and {fold}; {_REMEDY}")
            if homes.setdefault(subject, fold) != fold:
                raise DataError(
                    f"subject {subject} was tested in the folds {homes[subject]} and {fold}, so one of them has "
                    f"trained on that subject; {_REMEDY}"
                )
            seen[recording] = fold
            rows.append((recording, subject, fold, [codes.get(label, -1) for label in (truth, *decisions)]))
    if not rows:
        raise DataError(
            f"the folds {', '.join(places)} hold no recording; run one whose subjects have recordings that can be used"
        )
    rows.sort(key=lambda row: row[0])
    recordings, subjects, folds, numbers = zip(*rows, strict=True)
    columns = np.array(numbers, np.int64).T
    keys = [method.key for method in METHODS]
    return Outcomes(
        classes=tuple(classes),
        recordings=recordings,
        subjects=np.array(subjects),
        folds=np.array(folds),
        truth=columns[0],
        predicted=dict(zip(keys, columns[1:], strict=True)),
    )


def _rows(file: Path) -> Iterator[list[str]]:
    """The rows of one fold: recording, subject, truth, and the decision of each method in the order of `METHODS`."""
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.reader(stream, strict=True))
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror}; {_REMEDY}") from None
    except (ValueError, csv.Error) as error:
        raise DataError(f"{file} is damaged ({error}); {_REMEDY}") from None
    if not lines:
        raise DataError(f"{file} is empty; {_REMEDY}")
    head, *rows = lines
    wanted = [*FIRST_COLUMNS, *(method.key for method in METHODS)]
    if sorted(head) != sorted(wanted):
        odd = ", ".join(sorted(set(head) ^ set(wanted))) or "a column twice"
        raise DataError(
            f"{file} has not the columns of this emostream's methods ({odd}); it is damaged or older: {_REMEDY}"
        )
    order = [head.index(name) for name in wanted]
    for line, row in enumerate(rows, 2):
        if len(row) != len(wanted):
            raise DataError(f"{file} has {len(row)} cells in row {line}, expected {len(wanted)}; {_REMEDY}")
        yield [row[place] for place in order]
