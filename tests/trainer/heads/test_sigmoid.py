from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from emostream.trainer.heads.sigmoid import fit_sigmoid


def sample(seed, n=200, slope=2.0, offset=0.5, unit=1.0):
    rng = np.random.default_rng(seed)
    decisions = rng.standard_normal(n)
    positive = rng.random(n) < 1 / (1 + np.exp(-slope * decisions - offset))
    positive[:2] = [True, False]
    return unit * decisions, positive, rng.uniform(0.1, 2.0, n)


def loss(a, b, decisions, positive, weights):
    n_positive, n_negative = weights[positive].sum(), weights[~positive].sum()
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    z = a * decisions + b
    return weights @ (target * np.logaddexp(0, z) + (1 - target) * np.logaddexp(0, -z))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 50.0])
def test_equals_scikit_learn(weighted, unit):
    decisions, positive, weights = sample(0, unit=unit)
    ours = fit_sigmoid(decisions, positive, weights if weighted else None)
    theirs = _SigmoidCalibration().fit(decisions, positive, weights if weighted else None)
    grid = np.linspace(-3, 3, 50) * unit
    np.testing.assert_allclose(1 / (1 + np.exp(ours[0] * grid + ours[1])), theirs.predict(grid), atol=2e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 80), st.floats(-8, 8), st.floats(-3, 3))
def test_no_other_sigmoid_is_better(seed, n, slope, offset):
    decisions, positive, weights = sample(seed, n, slope, offset)
    a, b = fit_sigmoid(decisions, positive, weights)
    best = loss(a, b, decisions, positive, weights)
    theirs = _SigmoidCalibration().fit(decisions, positive, weights)
    assert best <= loss(theirs.a_, theirs.b_, decisions, positive, weights) + 1e-7
    for step in np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * 1e-2:
        assert best <= loss(a + step[0], b + step[1], decisions, positive, weights)


def test_many_rows_give_the_true_sigmoid():
    decisions, positive, _ = sample(1, n=100_000, slope=1.5, offset=-0.7)
    np.testing.assert_allclose(fit_sigmoid(decisions, positive), [-1.5, 0.7], atol=0.05)


def test_equals_calibrated_classifier_on_a_prefitted_svm():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((300, 4)), np.arange(300) % 2
    x[:, 0] += y
    svm = SVC(kernel="linear").fit(x[:150], y[:150])
    folds = [(np.arange(150), np.arange(150, 300))]
    calibrated = CalibratedClassifierCV(SVC(kernel="linear"), method="sigmoid", cv=folds).fit(x, y)
    a, b = fit_sigmoid(svm.decision_function(x[150:]), y[150:] == 1)
    ours = 1 / (1 + np.exp(a * svm.decision_function(x) + b))
    np.testing.assert_allclose(ours, calibrated.predict_proba(x)[:, 1], atol=2e-4)


def test_separable_sides_stay_finite_and_reach_the_targets():
    decisions, positive = np.array([-1.0, -1.0, 1.0, 1.0, 1.0]), np.array([False, False, True, True, True])
    a, b = fit_sigmoid(decisions, positive)
    np.testing.assert_allclose(1 / (1 + np.exp(a * np.array([-1.0, 1.0]) + b)), [1 / 4, 4 / 5], atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_equal_decisions_give_the_share(value):
    positive = np.arange(40) < 10
    a, b = fit_sigmoid(np.full(40, value), positive)
    targets = (10 * 11 / 12 + 30 * 1 / 32) / 40
    np.testing.assert_allclose(1 / (1 + np.exp(a * value + b)), targets, atol=1e-6)


def test_huge_decisions_do_not_overflow():
    decisions, positive, _ = sample(0, unit=1e30)
    a, b = fit_sigmoid(decisions, positive)
    expected = fit_sigmoid(decisions / 1e30, positive)
    np.testing.assert_allclose([a * 1e30, b], expected, rtol=1e-6)


def test_scikit_learns_logistic_regression_agrees_up_to_the_targets():
    decisions, positive, _ = sample(4, n=20_000)
    model = LogisticRegression(C=1e10).fit(decisions[:, None], positive)
    a, b = fit_sigmoid(decisions, positive)
    np.testing.assert_allclose([-a, -b], [model.coef_[0, 0], model.intercept_[0]], atol=5e-3)


@pytest.mark.parametrize("weights", [None, np.array([1.0, 1.0, 0.0])])
def test_one_side_only(weights):
    positive = np.array([True, True, weights is None])
    with pytest.raises(ValueError, match="expected some on both"):
        fit_sigmoid(np.arange(3.0), positive, weights)
