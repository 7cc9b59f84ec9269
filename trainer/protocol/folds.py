"""Which subjects are held out together (paper, section IV-B)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from emostream.engines.errors import DataError
from emostream.trainer.datasets.base import DataSet

__all__ = ["Fold", "folds_of", "group_folds"]

_GROUPS = 5  # of BAUM-1s; the paper doesn't say who is in which


@dataclass(frozen=True)
class Fold:
    """One test run: train on all other subjects, test on these.

    Attributes:
        name: what its folder is called.
        held_out: the subjects it tests on.
    """

    name: str
    held_out: tuple[str, ...]


def folds_of(dataset: DataSet) -> tuple[Fold, ...]:
    """The folds of a data set by its own protocol: one subject each, or five groups of subjects.

    Raises:
        DataError: there is only one subject.
    """
    subjects = [recording.subject for recording in dataset.recordings]
    if dataset.protocol == "five-groups":
        return group_folds(subjects, _GROUPS, dataset.name)
    if len(dataset.subjects) < 2:
        raise _alone(dataset.name)
    return tuple(Fold(f"subject-{subject}", (subject,)) for subject in dataset.subjects)


def group_folds(subjects: Sequence[str], groups: int, name: str) -> tuple[Fold, ...]:
    """Folds of whole subjects, as even as they get: who has most recordings goes to the group with fewest.

    Args:
        subjects: of each recording.
        groups: at most so many.
        name: of the data set, for the error.

    Raises:
        DataError: there is only one subject.
    """
    counts = Counter(subjects)
    if len(counts) < 2:
        raise _alone(name)
    members: list[list[str]] = [[] for _ in range(min(groups, len(counts)))]
    for subject in sorted(counts, key=lambda each: (-counts[each], each)):
        min(members, key=lambda group: sum(counts[member] for member in group)).append(subject)
    return tuple(Fold(f"group-{number}", tuple(sorted(group))) for number, group in enumerate(members, 1))


def _alone(name: str) -> DataError:
    return DataError(f"data set {name} has one subject; testing on people unseen in training needs at least two")
