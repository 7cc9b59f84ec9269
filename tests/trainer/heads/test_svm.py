from __future__ import annotations

import logging
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from emostream.engines.errors import DataError
from emostream.trainer.heads import svm as module
from emostream.trainer.heads.svm import train_svm, vote
from tests.trainer.heads.samples import rows


def scikit(features, labels, weights=None):
    scaler = MinMaxScaler().fit(features.astype(np.float64))
    model = SVC(kernel="linear", C=1.0, decision_function_shape="ovo")
    return scaler, model.fit(scaler.transform(features.astype(np.float64)), labels, sample_weight=weights)


@pytest.mark.parametrize("classes", [3, 6])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("whole_kernel", [False, True])
def test_equals_libsvm_on_scaled_features(monkeypatch, classes, weighted, whole_kernel):
    if not whole_kernel:
        monkeypatch.setattr(module, "_WHOLE_KERNEL_BYTES", 0)
    data, unseen = rows(classes=classes), rows(seed=1, classes=classes)
    weights = np.random.default_rng(2).uniform(0.1, 1.0, len(data.labels)) if weighted else None
    ours = train_svm(data.features, data.labels, classes, weights=weights)
    scaler, theirs = scikit(data.features, data.labels, weights)
    for features in (data.features, unseen.features):
        scaled = scaler.transform(features.astype(np.float64))
        np.testing.assert_allclose(ours.decisions(features), theirs.decision_function(scaled), atol=2e-3)
        assert (ours.predict(features) == theirs.predict(scaled)).mean() > 0.995
    assert ours.classes == classes


def test_two_classes_have_the_sign_of_the_first():
    data = rows(classes=2)
    svm = train_svm(data.features, data.labels, 2)
    scaler, theirs = scikit(data.features, data.labels)
    expected = -theirs.decision_function(scaler.transform(data.features.astype(np.float64)))
    np.testing.assert_allclose(svm.decisions(data.features)[:, 0], expected, atol=2e-3)
    assert svm.decisions(data.features[data.labels == 0]).mean() > 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 5))
def test_a_weight_counts_as_repeated_rows(seed, zeros):
    data = rows(seed=seed, n=40, classes=3)
    times = np.random.default_rng(seed).integers(1, 4, len(data.labels))
    # The extremes of every feature stay: rows without a weight don't take part in the scaling either.
    extremes = set(data.features.argmin(axis=0)) | set(data.features.argmax(axis=0))
    times[[row for row in range(40) if row not in extremes][:zeros]] = 0
    weighted = train_svm(data.features, data.labels, 3, weights=times.astype(np.float64))
    repeated = train_svm(np.repeat(data.features, times, axis=0), np.repeat(data.labels, times), 3)
    # The solution of a pair need not be unique in its offset; what it minimises is.
    for pair, (i, j) in enumerate(combinations(range(3), 2)):
        values = [objective(svm, pair, data.features, times, data.labels, i, j) for svm in (weighted, repeated)]
        assert values[0] == pytest.approx(values[1], rel=2e-3)


def objective(svm, pair, features, times, labels, first, second):
    used = times > 0
    span = np.ptp(features[used].astype(np.float64), axis=0)
    side = np.select([labels == first, labels == second], [1.0, -1.0])
    hinge = np.maximum(0.0, 1.0 - side * svm.decisions(features)[:, pair])
    return 0.5 * ((svm.weight[pair] * span) ** 2).sum() + (times * abs(side)) @ hinge


def test_prefixes_of_a_recording_count_together_as_one():
    data = rows(n=60, classes=3)
    once = train_svm(data.features, data.labels, 3)
    thrice = train_svm(np.repeat(data.features, 3, axis=0), np.repeat(data.labels, 3), 3, weights=np.full(180, 1 / 3))
    np.testing.assert_allclose(thrice.decisions(data.features), once.decisions(data.features), atol=5e-3)


def test_rows_without_a_weight_change_nothing():
    data, others = rows(n=60, classes=3), rows(seed=5, n=30, classes=3)
    alone = train_svm(data.features, data.labels, 3)
    both = train_svm(
        np.concatenate([data.features, 100 * others.features]),
        np.concatenate([data.labels, others.labels]),
        3,
        weights=np.repeat([1.0, 0.0], [60, 30]),
    )
    np.testing.assert_array_equal(both.weight, alone.weight)
    np.testing.assert_array_equal(both.bias, alone.bias)


def test_the_scaling_is_undone_by_the_weights():
    data = rows(classes=3)
    factor, shift = np.float32(2.0) ** np.arange(-3, 4, dtype=np.float32), np.float32(3.0)
    plain = train_svm(data.features, data.labels, 3)
    moved = train_svm(data.features * factor + shift, data.labels, 3)
    np.testing.assert_allclose(
        moved.decisions(data.features * factor + shift), plain.decisions(data.features), atol=5e-3
    )


def test_constant_features_have_no_weight():
    data = rows(classes=3)
    constant = np.full((len(data.labels), 1), 0.1, np.float32)
    rounded = np.where(np.arange(len(data.labels)) % 2, np.float32(7.0), np.nextafter(np.float32(7.0), np.float32(8)))
    features = np.concatenate([constant, data.features, rounded[:, None]], axis=1)
    svm = train_svm(features, data.labels, 3)
    assert not svm.weight[:, [0, -1]].any()
    expected = train_svm(data.features, data.labels, 3)
    np.testing.assert_allclose(svm.weight[:, 1:-1], expected.weight, rtol=1e-9)
    np.testing.assert_allclose(svm.bias, expected.bias, rtol=1e-9)


def test_nothing_but_constant_features_still_gives_finite_decisions():
    svm = train_svm(np.full((9, 4), 5.0, np.float32), np.arange(9) % 3, 3)
    assert not svm.weight.any()
    assert np.isfinite(svm.bias).all()


@pytest.mark.parametrize("absent", [(0,), (3,), (1, 2), (0, 3), (0, 1)])
def test_a_missing_class_is_never_chosen_and_named(caplog, absent):
    data = rows(n=200, classes=4)
    kept = ~np.isin(data.labels, absent)
    names = ("anger", "disgust", "fear", "joy")
    with caplog.at_level(logging.WARNING, "emostream"):
        svm = train_svm(data.features[kept], data.labels[kept], 4, names=names)
    assert [names[index] in record.getMessage() for index, record in zip(absent, caplog.records, strict=True)]
    assert svm.missing == absent
    # Far from the training rows, where an offset alone would be outvoted.
    far = np.random.default_rng(0).standard_normal((500, 7)).astype(np.float32) * 1e4
    assert not np.isin(svm.predict(far), absent).any()
    for pair, (i, j) in enumerate(combinations(range(4), 2)):
        if i in absent or j in absent:
            expected = float(j in absent) - float(i in absent)
            np.testing.assert_array_equal(svm.decisions(far)[:, pair], expected)
    scaler, theirs = scikit(data.features[kept], data.labels[kept])
    scaled = scaler.transform(data.features.astype(np.float64))
    assert (svm.predict(data.features) == theirs.predict(scaled)).mean() > 0.99


def test_fewer_rows_than_classes(caplog):
    svm = train_svm(np.array([[0.0], [1.0]], np.float32), np.array([1, 4]), 6)
    assert svm.missing == (0, 2, 3, 5)
    assert len(caplog.records) == 4
    assert svm.predict(np.array([[-9.0], [9.0]], np.float32)).tolist() == [1, 4]


@pytest.mark.parametrize("labels", [np.zeros(4, np.int64), np.zeros(0, np.int64)])
def test_a_single_class_is_refused(labels):
    with pytest.raises(DataError, match="two classes or more"):
        train_svm(np.random.default_rng(0).random((len(labels), 3)), labels, 3)


def test_a_class_whose_rows_weigh_nothing_is_missing():
    with pytest.raises(DataError, match="two classes or more"):
        train_svm(np.eye(4), np.array([0, 0, 1, 1]), 2, weights=np.array([1.0, 1.0, 0.0, 0.0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad):
    features = np.eye(4)
    features[1, 2] = bad
    with pytest.raises(DataError, match="1 of 4 pooled features"):
        train_svm(features, np.array([0, 0, 1, 1]), 2)


@pytest.mark.parametrize(
    ("labels", "weights"),
    [
        ([0, 1, 2], None),
        ([0, 1, 2, 9], None),
        ([0, 1, -1, 1], None),
        ([0, 1, 2, 1], [1.0, 1.0]),
        ([0, 1, 2, 1], [-1.0] * 4),
    ],
)
def test_arguments_that_do_not_fit(labels, weights):
    with pytest.raises(ValueError, match="expected"):
        train_svm(np.eye(4), np.array(labels), 3, weights=None if weights is None else np.array(weights))


def test_ties_go_to_the_first_class():
    circle = np.array([[1.0, -1.0, 1.0]])  # 0 beats 1, 2 beats 0, 1 beats 2
    assert vote(circle, 3).tolist() == [0]
