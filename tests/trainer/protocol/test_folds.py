from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneGroupOut

from emostream.engines.errors import DataError
from emostream.trainer.datasets.base import DataSet, Recording
from emostream.trainer.protocol.folds import Fold, folds_of, group_folds


def dataset(subjects: list[str], protocol: str = "subjects") -> DataSet:
    recordings = tuple(
        sorted(Recording(f"{subject}/{n}.avi", subject, "joy", Path(subject)) for n, subject in enumerate(subjects))
    )
    return DataSet("rml", ("joy", "fear"), recordings, protocol, {})


def test_every_subject_is_held_out_once() -> None:
    data = dataset(["s2", "s1", "s10", "s1", "s2"])
    folds = folds_of(data)
    assert folds == (
        Fold("subject-s1", ("s1",)),
        Fold("subject-s10", ("s10",)),
        Fold("subject-s2", ("s2",)),
    )
    people = np.array([recording.subject for recording in data.recordings])
    tests = [set(rows.tolist()) for _, rows in LeaveOneGroupOut().split(people, groups=people)]
    assert [set(np.flatnonzero(np.isin(people, fold.held_out)).tolist()) for fold in folds] == tests


def test_baum1s_has_five_groups_of_whole_subjects() -> None:
    folds = folds_of(dataset([f"s{n % 31:03}" for n in range(521)], "five-groups"))
    assert [fold.name for fold in folds] == [f"group-{n}" for n in range(1, 6)]
    held_out = [subject for fold in folds for subject in fold.held_out]
    assert sorted(held_out) == [f"s{n:03}" for n in range(31)]
    assert len(folds_of(dataset(["a", "b", "c"], "five-groups"))) == 3


@given(
    st.lists(st.integers(0, 30), min_size=2, max_size=200).filter(lambda people: len(set(people)) > 1),
    st.integers(2, 6),
)
def test_groups_are_as_even_as_whole_subjects_allow(people: list[int], groups: int) -> None:
    counts = Counter(map(str, people))
    folds = group_folds(list(map(str, people)), groups, "baum1s")
    assert len(folds) == min(groups, len(counts))
    assert sorted(subject for fold in folds for subject in fold.held_out) == sorted(counts)
    sizes = [sum(counts[subject] for subject in fold.held_out) for fold in folds]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= max(counts.values())
    shuffled = list(map(str, reversed(people)))
    assert group_folds(shuffled, groups, "baum1s") == folds  # the order of recordings is nothing


@pytest.mark.parametrize("protocol", ["subjects", "five-groups"])
def test_one_subject_cannot_be_tested_on(protocol: str) -> None:
    with pytest.raises(DataError, match="data set rml has one subject; testing on people unseen in training needs at"):
        folds_of(dataset(["s1", "s1"], protocol))
