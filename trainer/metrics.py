"""Figures of a method: confusion, accuracy, recall, precision, F-score, calibration, and intervals over subjects.

Predictions are class indices; -1 is "no decision" (a recording without a face, or without a voice). It is never
right, and its recordings stay in every denominator but precision's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "ClassScores",
    "Reliability",
    "accuracy",
    "bootstrap_over_subjects",
    "brier",
    "class_scores",
    "confusion",
    "expected_calibration_error",
    "fold_accuracies",
    "fold_weights",
    "log_loss",
    "macro_recall",
    "reliability",
]

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Figures of each class, float64 [C], 0 to 1; NaN where the denominator is 0.

    Attributes:
        precision: how many of those predicted are right; NaN for a class never predicted.
        recall: how many of those there are found; NaN for a class without a recording.
        f_score: harmonic mean of both, 2 TP / (true + predicted); NaN for a class neither there nor predicted.
    """

    precision: Float64s
    recall: Float64s
    f_score: Float64s


def confusion(truth: Ints, predicted: Ints, classes: int) -> npt.NDArray[np.int64]:
    """Counts [C, C + 1]: rows are true classes, columns predicted ones, the last column "no decision".

    The paper's figures 6 to 8 have predictions as rows.

    Args:
        truth: classes [N], 0 to C - 1.
        predicted: classes [N], -1 for no decision.
        classes: C.

    Raises:
        ValueError: the two don't fit each other, or hold other values.
    """
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"{truth.shape} true and {predicted.shape} predicted classes; expected [N] twice")
    if not (np.isin(truth, range(classes)).all() and np.isin(predicted, range(-1, classes)).all()):
        raise ValueError(
            f"true classes {np.unique(truth)}, predicted ones {np.unique(predicted)}; expected 0 to {classes - 1}, "
            "or -1 for no decision"
        )
    cells = truth * (classes + 1) + np.where(predicted < 0, classes, predicted)
    return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def accuracy(truth: Ints, predicted: Ints, weights: Floats | None = None) -> float:
    """Share of recordings predicted right (pooled accuracy), or of their weights; NaN without a recording."""
    if not len(truth):
        return float("nan")
    return float(np.average(truth == predicted, weights=weights))


def fold_accuracies(truth: Ints, predicted: Ints, folds: npt.NDArray[Any]) -> Float64s:
    """Accuracy of each fold, in the order of `np.unique(folds)`; their mean is the paper's "average accuracy"."""
    return np.array([accuracy(truth[folds == fold], predicted[folds == fold]) for fold in np.unique(folds)])


def fold_weights(folds: npt.NDArray[Any]) -> Float64s:
    """Weights [N] with which `accuracy` is the mean over folds: one fold in all for the recordings of each."""
    _, index, counts = np.unique(folds, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[index])


def class_scores(matrix: npt.NDArray[np.int64]) -> ClassScores:
    """Precision, recall and F-score of each class, of a confusion matrix as `confusion` gives it."""
    right = matrix.diagonal().astype(np.float64)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)[: len(matrix)]
    with np.errstate(invalid="ignore"):
        return ClassScores(right / predicted, right / true, 2 * right / (true + predicted))


def macro_recall(truth: Ints, predicted: Ints, classes: int) -> float:
    """Mean recall of the classes that are there (unweighted average recall); NaN without a recording."""
    recall = class_scores(confusion(truth, predicted, classes)).recall
    there = recall[np.isfinite(recall)]
    return float(there.mean()) if len(there) else float("nan")


def bootstrap_over_subjects(
    truth: Ints,
    predicted: Ints,
    subjects: npt.NDArray[Any],
    statistic: Callable[..., float],
    *,
    weights: Floats | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a statistic when other subjects had been recorded (Efron and Tibshirani 1993, chapter 13).

    Whole subjects are drawn with replacement, since recordings of one person are alike.

    Args:
        truth: classes [N].
        predicted: classes [N].
        subjects: who speaks [N].
        statistic: called with true and predicted classes, and with their weights if there are any.
        weights: of the recordings [N]; for the mean over folds, `fold_weights` with `accuracy`.
        resamples: how often subjects are drawn.
        seed: equal seeds give equal intervals.
        level: of confidence.

    Returns:
        The lower and the upper end; NaN with fewer than two subjects, which say nothing of others.
    """
    names, index = np.unique(subjects, return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    rows = [np.flatnonzero(index == subject) for subject in range(len(names))]
    columns = (truth, predicted) if weights is None else (truth, predicted, weights)
    generator = np.random.default_rng(seed)
    values = np.empty(resamples)
    for resample, drawn in enumerate(generator.integers(len(names), size=(resamples, len(names)))):
        chosen = np.concatenate([rows[subject] for subject in drawn])
        values[resample] = statistic(*(column[chosen] for column in columns))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def expected_calibration_error(probabilities: Floats, truth: Ints, bins: int = 15) -> float:
    """Mean distance of the top class's probability from how often it is right (Guo et al., ICML 2017, equation 3).

    Args:
        probabilities: [N, C], N > 0.
        truth: classes [N].
        bins: of equal width, closed above.
    """
    confidence = np.asarray(probabilities.max(axis=1), np.float64)
    right = probabilities.argmax(axis=1) == truth
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(abs(gaps).sum() / len(truth))


def log_loss(probabilities: Floats, truth: Ints, weights: Floats | None = None) -> float:
    """Mean negative log-likelihood of the true class, in nats, of probabilities [N, C]; none counts as quite 0."""
    likelihood = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(np.average(-np.log(np.maximum(likelihood, np.finfo(np.float64).eps)), weights=weights))


def brier(probabilities: Floats, truth: Ints) -> float:
    """Brier's score: mean squared distance, 0 to 2, of probabilities [N, C] from the true class's one-hot vector."""
    right = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - right) ** 2).sum(axis=1).mean())


class Reliability(NamedTuple):
    """Recordings by the probability of the class decided on, in those bins that have any.

    Attributes:
        confidence: their mean probability, float64 [B].
        right: how many of them are right, 0 to 1, float64 [B].
        counts: how many they are, int64 [B].
    """

    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]


def reliability(probabilities: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], bins: int = 15) -> Reliability:
    """The points of a reliability diagram (Guo et al., ICML 2017, figure 1), binned as the calibration error is.

    Args:
        probabilities: [N, C].
        truth: classes [N].
        bins: of equal width, closed above.
    """
    confidence = probabilities.max(axis=1)
    place = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    counts, sums, hits = (
        np.bincount(place, weights, bins) for weights in (None, confidence, probabilities.argmax(axis=1) == truth)
    )
    there = counts > 0
    return Reliability(sums[there] / counts[there], hits[there] / counts[there], counts[there])
