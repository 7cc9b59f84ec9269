from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from emostream.trainer.heads.calibrated import fit_pairs, out_of_fold, train_head, with_sigmoids
from emostream.trainer.heads.svm import fit_svm, train_svm, vote
from emostream.trainer.metrics import log_loss
from tests.trainer.heads.samples import rows, spoken


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.WARNING, "emostream")


def test_decisions_are_those_of_svms_without_the_subject():
    data = rows()
    decisions = out_of_fold(data.features, data.labels, data.subjects, 4, folds=3)
    for training, left_out in GroupKFold(3).split(data.features, data.labels, data.subjects):
        assert not set(data.subjects[training]) & set(data.subjects[left_out])
        svm = train_svm(data.features[training], data.labels[training], 4)
        np.testing.assert_array_equal(decisions[left_out], svm.decisions(data.features[left_out]))


def test_a_subject_does_not_touch_its_own_svm():
    """The fold's scaling and weights are the same whatever the left-out subject says."""
    data = rows(subjects=3)
    before = out_of_fold(data.features, data.labels, data.subjects, 4, folds=3)
    own = data.subjects == "s1"
    altered = data.features.copy()
    altered[own] *= 1000
    after = out_of_fold(altered, data.labels, data.subjects, 4, folds=3)
    expected = data.features[~own]
    svm = fit_svm(expected, data.labels[~own], 4)
    np.testing.assert_array_equal(after[own], svm.decisions(altered[own]))
    np.testing.assert_array_equal(before[own], svm.decisions(data.features[own]))


def test_probabilities_are_like_libsvms():
    """LIBSVM leaves out random rows, in folds of its own: alike, not equal."""
    data = rows(n=600, subjects=100)
    head = train_head(data.features, data.labels, data.subjects, 4)
    scaled = MinMaxScaler().fit_transform(data.features.astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scikit-learn announces the end of its Platt scaling
        model = SVC(kernel="linear", probability=True, random_state=0).fit(scaled, data.labels)
        theirs = model.predict_proba(scaled)
    ours = head.probabilities(data.features)
    assert abs(ours - theirs).mean() < 0.01
    assert abs(ours - theirs).max() < 0.1
    assert abs(log_loss(ours, data.labels) - log_loss(theirs, data.labels)) < 0.01


def test_sigmoids_are_less_sure_than_those_of_training_rows():
    data = rows(n=60, features=40)  # as many features as rows of a pair: training rows are separable
    svm = train_svm(data.features, data.labels, 4)
    fooled = with_sigmoids(svm, svm.decisions(data.features), data.labels)
    head = train_head(data.features, data.labels, data.subjects, 4)
    unseen = rows(seed=1, n=600, features=40)
    ours, theirs = (log_loss(each.probabilities(unseen.features), unseen.labels) for each in (head, fooled))
    assert ours < theirs
    np.testing.assert_array_equal(head.weight, fooled.weight)


def test_prefixes_with_weights():
    said = spoken()
    head = train_head(
        said.rows.features,
        said.labels,
        said.subjects,
        4,
        weights=said.rows.weights,
        recordings=said.rows.recordings,
    )
    probabilities = head.probabilities(said.rows.features)
    whole, first = said.rows.at(None), said.rows.at(1)
    right = [(probabilities[at].argmax(axis=1) == said.labels[at]).mean() for at in (first, whole)]
    assert right[1] > right[0] > 0.3
    unweighted = train_head(said.rows.features, said.labels, said.subjects, 4)
    assert abs(unweighted.prob_a - head.prob_a).max() > 1e-3


def test_is_deterministic_and_free_of_the_order_of_names():
    data = rows()
    heads = [
        train_head(data.features, data.labels, subjects, 4)
        for subjects in (data.subjects, data.subjects, np.char.add("x", data.subjects))
    ]
    for head in heads[1:]:
        for field in ("weight", "bias", "prob_a", "prob_b"):
            np.testing.assert_array_equal(getattr(head, field), getattr(heads[0], field))


def test_one_subject_leaves_out_recordings_and_says_so(caplog):
    said = spoken(recordings=40)
    arguments = (said.rows.features, said.labels, np.zeros(len(said.labels)), 4)
    decisions = out_of_fold(*arguments, weights=said.rows.weights, recordings=said.rows.recordings)
    assert "one subject only" in caplog.text
    assert np.isfinite(decisions).all()
    # No prefix helps to decide a longer one of the same recording.
    leaking = out_of_fold(*arguments, weights=said.rows.weights)
    whole = said.rows.at(None)
    right = [(vote(each[whole], 4) == said.labels[whole]).mean() for each in (decisions, leaking)]
    assert right[0] < right[1]


def test_a_class_of_one_subject_is_fitted_to_what_there_is(caplog):
    data = rows(classes=3)
    subjects = np.where(data.labels == 2, "s0", data.subjects)
    head = train_head(data.features, data.labels, subjects, 3, names=("anger", "fear", "joy"))
    assert "joy" in caplog.text
    assert "anger" not in caplog.text
    probabilities = head.probabilities(data.features)
    assert (probabilities.argmax(axis=1) == data.labels).mean() > 0.7
    assert (probabilities[:, 2].mean()) > 0.2


def test_a_class_that_is_missing_is_nearly_impossible():
    data = rows(n=200)
    kept = data.labels != 1
    head = train_head(data.features[kept], data.labels[kept], data.subjects[kept], 4)
    probabilities = head.probabilities(data.features)
    # The coupling spreads over all classes by how much the pairs contradict each other.
    assert probabilities[:, 1].max() < 0.03
    assert np.median(probabilities[:, 1]) < 1e-4
    far = np.random.default_rng(0).standard_normal((300, 7)).astype(np.float32) * 1e4
    assert (head.probabilities(far).argmax(axis=1) != 1).all()
    relabelled = np.searchsorted([0, 2, 3], data.labels[kept])
    three = train_head(data.features[kept], relabelled, data.subjects[kept], 3).probabilities(data.features)
    np.testing.assert_allclose(probabilities[:, [0, 2, 3]], three, atol=0.03)


def test_two_missing_classes_stay_impossible():
    data = rows(n=200)
    kept = data.labels > 1
    head = train_head(data.features[kept], data.labels[kept], data.subjects[kept], 4)
    assert head.probabilities(data.features)[:, :2].max() < 1e-5


def test_each_subject_with_a_class_of_its_own(caplog):
    data = rows(n=40, classes=2)
    head = train_head(data.features, data.labels, data.labels, 2)
    assert "less than two classes" in caplog.text
    assert (head.probabilities(data.features).argmax(axis=1) == data.labels).mean() > 0.7


def test_one_row_of_each_class(caplog):
    head = train_head(np.eye(3, dtype=np.float32), np.arange(3), np.zeros(3), 3)
    assert "add recordings" in caplog.text
    np.testing.assert_array_equal(head.prob_a, -1.0)
    assert head.probabilities(np.eye(3, dtype=np.float32)).argmax(axis=1).tolist() == [0, 1, 2]


def test_pairs_without_rows_of_one_side_take_the_slope_of_the_others():
    rng = np.random.default_rng(0)
    decisions, labels = rng.standard_normal((300, 3)), np.arange(300) % 2  # no row of class 2
    decisions[:, 0] += np.where(labels == 0, 1.0, -1.0)
    decisions[:, 1:] += 1.0  # towards the classes that are there
    a, b = fit_pairs(decisions, labels, 3)
    assert a[1] == a[2] < 0
    assert b[1:].tolist() == [0.0, 0.0]


def test_weights_count_in_the_sigmoids():
    rng = np.random.default_rng(1)
    labels, times = np.arange(90) % 3, rng.integers(0, 4, 90)
    decisions = rng.standard_normal((90, 3)) + np.stack([labels < 1, labels < 1, labels < 2], axis=1)
    weighted = fit_pairs(decisions, labels, 3, times.astype(np.float64))
    repeated = fit_pairs(np.repeat(decisions, times, axis=0), np.repeat(labels, times), 3)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


def test_one_fold_is_refused():
    data = rows()
    with pytest.raises(ValueError, match="folds = 1"):
        out_of_fold(data.features, data.labels, data.subjects, 4, folds=1)
