from __future__ import annotations

import csv

import numpy as np
import pytest
from sklearn import metrics

from emostream.engines.errors import DataError
from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.outcomes import read_outcomes
from emostream.trainer.reports.scores import difference
from tests.trainer.reports.samples import LABELS, outcomes, run, write_folds


def test_folds_are_put_together(tmp_path):
    made = run()
    places = write_folds(tmp_path, made)
    found = read_outcomes(dict(reversed(places.items())), LABELS)
    assert found.classes == LABELS
    assert found.recordings == made.recordings
    assert list(found.predicted) == [method.key for method in METHODS]
    for name in ("subjects", "folds", "truth"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    for key, predicted in made.predicted.items():
        np.testing.assert_array_equal(found.predicted[key], predicted, err_msg=key)
    assert (found.predicted["video"] == -1).sum() == 4


def test_order_of_columns_does_not_matter(tmp_path):
    made = run()
    places = write_folds(tmp_path, made)
    for place in places.values():
        rows = [row[::-1] for row in cells(place)]
        write(place, rows)
    found = read_outcomes(places, LABELS)
    assert found.recordings == made.recordings
    np.testing.assert_array_equal(found.predicted["dbn-2"], made.predicted["dbn-2"])


def cells(place):
    with (place / "decisions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def write(place, rows):
    with (place / "decisions.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def change(row, column, text):
    def damage(place):
        rows = cells(place)
        rows[row][column] = text
        write(place, rows)

    return damage


DAMAGE = {
    "can't be read": lambda place: (place / "decisions.csv").unlink(),
    "is damaged": lambda place: (place / "decisions.csv").write_bytes(b"recording,\xff\xfe\n1,2\n"),
    "is empty": lambda place: write(place, []),
    "25 cells in row 13": lambda place: write(place, [*cells(place)[:-1], cells(place)[-1][:-1]]),
    r"methods \(new, video-original\)": change(0, 6, "new"),
    "the label 'bliss'; expected one of anger": change(2, 5, "bliss"),
    "the label ''": change(2, 2, ""),
    "s1/000.mp4 was tested in the folds subject-s1 and subject-s2": change(1, 0, "s1/000.mp4"),
    "subject s1 was tested in the folds subject-s1 and subject-s2": change(1, 1, "s1"),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_damaged_folds_are_refused(tmp_path, message):
    places = write_folds(tmp_path, run())
    DAMAGE[message](places["subject-s2"])
    with pytest.raises(DataError, match=message) as refused:
        read_outcomes(places, LABELS)
    assert "run the same command again" in str(refused.value)


def test_a_fold_whose_recordings_were_all_lost_counts_for_nothing(tmp_path):
    places = write_folds(tmp_path, run())
    write(places["subject-s2"], cells(places["subject-s2"])[:1])
    found = read_outcomes(places, LABELS)
    assert "subject-s2" not in found.folds
    assert len(found.recordings) == len(run().recordings) - 12
    with pytest.raises(DataError, match="the folds subject-s2 hold no recording"):
        read_outcomes({"subject-s2": places["subject-s2"]}, LABELS)


def test_nothing_finished():
    with pytest.raises(DataError, match="no fold is finished"):
        read_outcomes({}, LABELS)


@pytest.mark.parametrize("key", ["video", "dbn-2"])
def test_scores_equal_scikit_learn(key):
    made = run()
    truth, predicted, scores = made.truth, made.predicted[key], made.scores[key]
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert scores.macro_recall == pytest.approx(
        metrics.recall_score(truth, predicted, labels=range(6), average="macro", zero_division=np.nan)
    )
    expected = metrics.confusion_matrix(truth, predicted, labels=[*range(6), -1])[:6]
    np.testing.assert_array_equal(scores.matrix, expected)
    folds = [
        metrics.accuracy_score(truth[own], predicted[own])
        for fold in set(made.folds)
        if (own := made.folds == fold).any()
    ]
    assert scores.fold_mean == pytest.approx(np.mean(folds))
    assert scores.interval[0] < scores.accuracy < scores.interval[1]
    assert scores.fold_interval[0] < scores.fold_mean < scores.fold_interval[1]
    assert scores.undecided == {"video": 4, "dbn-2": 0}[key]


def test_mean_over_folds_of_unequal_size():
    made = outcomes(subjects=2, each=4)
    folds = np.array(["a", *["b"] * 7])
    made.predicted["audio"][:] = [made.truth[0], *(made.truth[1:] + 1) % 6]
    unequal = type(made)(
        made.classes, made.recordings, made.subjects, folds, made.truth, {"audio": made.predicted["audio"]}
    )
    assert unequal.scores["audio"].accuracy == pytest.approx(1 / 8)
    assert unequal.scores["audio"].fold_mean == pytest.approx(1 / 2)


def test_difference_of_methods():
    subjects = np.repeat(["a", "b", "c", "d"], 25)
    truth = np.zeros(100, np.int64)
    right, wrong = truth, truth + 1
    assert difference(truth, right, right, subjects).value == 0
    assert not difference(truth, right, right, subjects).clear
    better = difference(truth, right, wrong, subjects)
    assert (better.value, better.interval, better.clear) == (1.0, (1.0, 1.0), True)
    assert difference(truth, wrong, right, subjects).clear
    on_two = np.where(np.isin(subjects, ["a", "b"]), 0, 1)
    mixed = difference(truth, on_two, 1 - on_two, subjects)
    assert mixed.value == 0
    assert not mixed.clear
    assert not difference(truth, right, wrong, np.full(100, "a")).clear  # one subject says nothing of others
