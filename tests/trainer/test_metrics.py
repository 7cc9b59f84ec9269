from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from emostream.trainer.metrics import (
    accuracy,
    bootstrap_over_subjects,
    brier,
    class_scores,
    confusion,
    expected_calibration_error,
    fold_accuracies,
    fold_weights,
    log_loss,
    macro_recall,
)

CLASSES = 4
outcomes = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(-1, CLASSES - 1)), min_size=1, max_size=60).map(
    lambda pairs: tuple(np.array(column) for column in zip(*pairs, strict=True))
)


@given(outcomes)
def test_confusion_and_class_scores_equal_scikit_learn(outcome):
    truth, predicted = outcome
    matrix = confusion(truth, predicted, CLASSES)
    expected = metrics.confusion_matrix(truth, predicted, labels=[*range(CLASSES), -1])
    np.testing.assert_array_equal(matrix, expected[:CLASSES])
    ours = class_scores(matrix)
    theirs = metrics.precision_recall_fscore_support(truth, predicted, labels=range(CLASSES), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f_score"), theirs, strict=False):
        np.testing.assert_allclose(getattr(ours, name), values, err_msg=name)
    assert accuracy(truth, predicted) == pytest.approx(metrics.accuracy_score(truth, predicted))
    expected_macro = metrics.recall_score(truth, predicted, labels=np.unique(truth), average="macro")
    assert macro_recall(truth, predicted, CLASSES) == pytest.approx(expected_macro)


def test_no_decision_is_wrong_and_has_its_column():
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, -1, 1, -1])
    assert confusion(truth, predicted, 2).tolist() == [[1, 0, 1], [0, 1, 1]]
    scores = class_scores(confusion(truth, predicted, 2))
    assert scores.recall.tolist() == [0.5, 0.5]
    assert scores.precision.tolist() == [1.0, 1.0]
    assert accuracy(truth, predicted) == 0.5


def test_the_papers_figure_6():
    """Its rows are predictions, in percent; the true recalls and the pooled accuracy are known from its counts."""
    percent = np.array(
        [
            [88.70, 2.61, 0.00, 1.74, 0.00, 6.96],
            [0.90, 95.50, 0.00, 0.90, 1.80, 0.90],
            [0.00, 4.20, 71.33, 20.98, 3.50, 0.00],
            [1.94, 0.97, 15.53, 68.93, 2.91, 9.71],
            [3.79, 3.03, 1.52, 8.33, 83.33, 0.00],
            [8.62, 0.00, 0.00, 4.31, 0.00, 87.07],
        ]
    )
    counts = np.rint(percent / 100 * np.array([[115], [111], [143], [103], [132], [116]])).astype(int).T
    truth = np.repeat(np.arange(6), counts.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(6), row) for row in counts])
    scores = class_scores(confusion(truth, predicted, 6))
    np.testing.assert_allclose(100 * scores.recall, [85.0, 88.3, 85.0, 59.2, 91.7, 84.2], atol=0.05)
    np.testing.assert_allclose(100 * scores.precision, percent.diagonal(), atol=0.01)
    assert 100 * accuracy(truth, predicted) == pytest.approx(82.22, abs=0.01)
    assert 100 * macro_recall(truth, predicted, 6) == pytest.approx(82.22, abs=0.01)


def test_folds():
    truth, predicted = np.zeros(6, int), np.array([0, 0, 0, 1, 0, 1])
    folds = np.array(["a", "a", "a", "a", "b", "b"])
    assert fold_accuracies(truth, predicted, folds).tolist() == [0.75, 0.5]
    assert accuracy(truth, predicted, fold_weights(folds)) == pytest.approx(0.625)
    assert accuracy(truth, predicted) == pytest.approx(4 / 6)


def test_nothing_predicted():
    empty = np.zeros(0, int)
    assert np.isnan(accuracy(empty, empty))
    assert np.isnan(macro_recall(empty, empty, 3))


@pytest.mark.parametrize(
    ("truth", "predicted"), [([0, 1], [0]), ([0, 3], [0, 1]), ([-1, 0], [0, 0]), ([0, 1], [0, 3]), ([0, 1], [-2, 0])]
)
def test_confusion_refuses_what_is_no_class(truth, predicted):
    with pytest.raises(ValueError, match="expected"):
        confusion(np.array(truth), np.array(predicted), 3)


def people(seed=0, subjects=12, each=20):
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(subjects), each)
    able = rng.uniform(0.3, 1.0, subjects)[names]
    truth = rng.integers(CLASSES, size=len(names))
    return truth, np.where(rng.random(len(names)) < able, truth, (truth + 1) % CLASSES), names


def test_interval_equals_scipys_over_subjects():
    truth, predicted, subjects = people()
    ours = bootstrap_over_subjects(truth, predicted, subjects, accuracy, resamples=8000)
    own = (fold_accuracies(truth, predicted, subjects),)
    theirs = stats.bootstrap(own, np.mean, n_resamples=8000, method="percentile").confidence_interval
    np.testing.assert_allclose(ours, [theirs.low, theirs.high], atol=0.012)
    narrower = bootstrap_over_subjects(truth, predicted, subjects, accuracy, level=0.5)
    assert ours[0] < narrower[0] < accuracy(truth, predicted) < narrower[1] < ours[1]


def test_interval_of_the_mean_over_unequal_folds_equals_scipys():
    truth, predicted, subjects = people()
    kept = np.random.default_rng(1).random(len(truth)) < np.linspace(0.1, 1, 12)[subjects]
    truth, predicted, subjects = truth[kept], predicted[kept], subjects[kept]
    ours = bootstrap_over_subjects(truth, predicted, subjects, accuracy, weights=fold_weights(subjects), resamples=8000)
    own = (fold_accuracies(truth, predicted, subjects),)
    theirs = stats.bootstrap(own, np.mean, n_resamples=8000, method="percentile").confidence_interval
    np.testing.assert_allclose(ours, [theirs.low, theirs.high], atol=0.012)


def test_interval_is_wider_than_over_recordings():
    truth, predicted, subjects = people()
    low, high = bootstrap_over_subjects(truth, predicted, subjects, accuracy)
    alone = bootstrap_over_subjects(truth, predicted, np.arange(len(truth)), accuracy, resamples=500)
    assert high - low > 1.3 * (alone[1] - alone[0])


def test_interval_is_reproducible_and_takes_other_statistics():
    truth, predicted, subjects = people(subjects=5)
    statistic = partial(macro_recall, classes=CLASSES)
    runs = [
        bootstrap_over_subjects(truth, predicted, subjects, statistic, resamples=200, seed=seed) for seed in (3, 3, 4)
    ]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0][0] <= macro_recall(truth, predicted, CLASSES) <= runs[0][1]


def test_interval_of_one_subject_is_unknown():
    truth, predicted, _ = people()
    assert np.isnan(bootstrap_over_subjects(truth, predicted, np.zeros(len(truth)), accuracy)).all()


def scored(seed, n=300):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(CLASSES, 0.5), size=n)
    return probabilities, rng.integers(CLASSES, size=n)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 20))
def test_calibration_error_equals_scikit_learns_curve(seed, bins):
    probabilities, truth = scored(seed)
    top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    share_right, mean_top = calibration_curve(right, top, n_bins=bins)
    counts = np.histogram(top, np.linspace(0, 1, bins + 1))[0]
    expected = (counts[counts > 0] * abs(share_right - mean_top)).sum() / len(truth)
    assert expected_calibration_error(probabilities, truth, bins) == pytest.approx(expected)


def test_bins_are_closed_above():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3]])  # one bin: 0.45 on average, right half of the time
    assert expected_calibration_error(probabilities, np.array([0, 1]), bins=2) == pytest.approx(0.05)


def test_calibration_error_of_the_sure():
    sure = np.eye(2)[[0, 0, 1, 1]]
    assert expected_calibration_error(sure, np.array([0, 0, 1, 1])) == 0.0
    assert expected_calibration_error(sure, np.array([0, 1, 1, 0])) == 0.5


@given(st.integers(0, 10_000))
def test_log_loss_and_brier_equal_scikit_learn(seed):
    probabilities, truth = scored(seed, n=40)
    weights = np.random.default_rng(seed).random(40)
    labels = range(CLASSES)
    assert log_loss(probabilities, truth) == pytest.approx(metrics.log_loss(truth, probabilities, labels=labels))
    assert log_loss(probabilities, truth, weights) == pytest.approx(
        metrics.log_loss(truth, probabilities, labels=labels, sample_weight=weights)
    )
    each = [metrics.brier_score_loss(truth == index, probabilities[:, index]) for index in labels]
    assert brier(probabilities, truth) == pytest.approx(sum(each))


def test_log_loss_of_the_impossible_is_finite():
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))
