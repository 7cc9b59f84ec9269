from __future__ import annotations

import numpy as np
import pytest

from emostream.trainer.heads.calibrated import fit_pairs, out_of_fold
from emostream.trainer.heads.choice import METHODS, choose_calibration, fit_common
from emostream.trainer.heads.sigmoid import Sigmoids, class_probabilities
from emostream.trainer.heads.svm import train_svm
from emostream.trainer.metrics import expected_calibration_error, log_loss
from tests.trainer.heads.samples import spoken

SLOPE = -1.7


def pairwise(rng, n, classes=4, offsets=None):
    """Decision values whose coupled probabilities, with one slope, are the truth, and labels drawn from them."""
    scores = rng.standard_normal((n, classes))
    first, second = np.triu_indices(classes, 1)
    decisions = scores[:, first] - scores[:, second]
    b = np.zeros(len(first)) if offsets is None else offsets
    truth = class_probabilities(decisions, Sigmoids(np.full(len(first), SLOPE), b), classes)
    labels = np.array([rng.choice(classes, p=row) for row in truth])
    return decisions, labels


def test_common_slope_is_found():
    decisions, labels = pairwise(np.random.default_rng(0), 4000)
    a, b = fit_common(decisions, labels, 4)
    np.testing.assert_allclose(a, SLOPE, atol=0.1)
    assert not b.any()


def test_common_slope_has_the_least_log_loss():
    decisions, labels = pairwise(np.random.default_rng(1), 300)
    weights = np.random.default_rng(2).uniform(0.1, 1.0, 300)
    best = fit_common(decisions, labels, 4, weights)

    def loss(slope):
        return log_loss(class_probabilities(decisions, Sigmoids(slope, best.b), 4), labels, weights)

    assert all(loss(best.a) <= loss(factor * best.a) for factor in (0.1, 0.9, 0.99, 1.01, 1.1, 10.0))


def test_common_slope_of_incomplete_rows_and_of_a_missing_class():
    decisions, labels = pairwise(np.random.default_rng(3), 500)
    half = np.arange(500) < 250
    partial = np.where(half[:, None], decisions, np.nan)
    np.testing.assert_allclose(
        fit_common(partial, labels, 4).a, fit_common(decisions[half], labels[half], 4).a, rtol=1e-3
    )
    broken = decisions.copy()
    broken[:, 0] = np.nan
    assert (fit_common(broken, labels, 4).a < -0.5).all()  # no row can be coupled
    kept = labels != 3
    known = np.where([True, True, False, True, False, False], decisions, np.nan)
    a, b = fit_common(known[kept], labels[kept], 4, missing=(3,))
    assert (a != 0).tolist() == [True, True, False, True, False, False]
    assert class_probabilities(known, Sigmoids(a, b), 4)[:, 3].max() < 1e-5


@pytest.fixture(scope="module")
def trained():
    said = spoken(noise=2.0)
    svm = train_svm(said.rows.features, said.labels, 4, weights=said.rows.weights)
    decisions = out_of_fold(
        said.rows.features, said.labels, said.subjects, 4, weights=said.rows.weights, recordings=said.rows.recordings
    )
    return said, svm, decisions


def test_choice_has_figures_and_the_parameters_of_what_it_chose(trained):
    said, svm, decisions = trained
    choice = choose_calibration(svm, decisions, said.labels, said.subjects, said.rows)
    assert set(choice.figures) == set(METHODS)
    assert all(list(figures) == ["1", "3", "all"] for figures in choice.figures.values())
    fit = {"pairs": fit_pairs, "common": fit_common}[choice.method]
    a, b = fit(decisions, said.labels, 4, said.rows.weights)
    np.testing.assert_allclose(choice.head.prob_a, a, rtol=1e-6)
    np.testing.assert_allclose(choice.head.prob_b, b, rtol=1e-6)
    np.testing.assert_array_equal(choice.head.weight, svm.weight.astype(np.float32))
    assert choice.figures["pairs"]["all"].log_loss < choice.figures["pairs"]["1"].log_loss


def test_figures_are_of_left_out_subjects(trained):
    said, svm, decisions = trained
    people = np.unique(said.subjects)
    choice = choose_calibration(svm, decisions, said.labels, said.subjects, said.rows, folds=len(people))
    probabilities = np.empty((len(said.labels), 4))
    for person in people:
        own = said.subjects == person
        fitted = fit_pairs(decisions[~own], said.labels[~own], 4, said.rows.weights[~own])
        probabilities[own] = class_probabilities(decisions[own], fitted, 4)
    at = np.flatnonzero(said.rows.lengths == 1)
    figures = choice.figures["pairs"]["1"]
    np.testing.assert_allclose(figures.log_loss, log_loss(probabilities[at], said.labels[at]))
    np.testing.assert_allclose(
        figures.calibration_error, expected_calibration_error(probabilities[at], said.labels[at])
    )


@pytest.mark.parametrize(("offsets", "expected"), [(0.0, "common"), (2.0, "pairs")])
def test_the_better_one_is_chosen(trained, offsets, expected):
    """One slope is right for few rows without offsets, sigmoids for each pair are where the pairs differ."""
    said, svm, _ = trained
    rng = np.random.default_rng(5)
    shifts = offsets * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    decisions, labels = pairwise(rng, len(said.labels), offsets=shifts)
    choice = choose_calibration(svm, decisions, labels, said.subjects, said.rows)
    assert choice.method == expected


def test_one_subject_leaves_out_recordings(trained):
    said, svm, decisions = trained
    everyone = np.zeros(len(said.labels))
    by_recording = choose_calibration(svm, decisions, said.labels, said.rows.recordings, said.rows)
    choice = choose_calibration(svm, decisions, said.labels, everyone, said.rows)
    assert choice.figures == by_recording.figures


def test_rows_of_folds_that_lacked_a_class_are_not_measured(trained):
    said, svm, decisions = trained
    partial = decisions.copy()
    partial[said.subjects == 0, 2] = np.nan
    figures = choose_calibration(svm, partial, said.labels, said.subjects, said.rows).figures
    assert np.isfinite([each.log_loss for each in figures["pairs"].values()]).all()


def test_nothing_to_measure_on_leaves_libsvms_way(trained):
    said, svm, decisions = trained
    choice = choose_calibration(svm, np.full_like(decisions, np.nan), said.labels, said.subjects, said.rows)
    assert (choice.method, choice.figures) == ("pairs", {})
    np.testing.assert_array_equal(choice.head.prob_a, -1.0)
