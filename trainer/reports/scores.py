"""The figures of one method on all tested recordings, and of the difference between two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.trainer.metrics import (
    ClassScores,
    accuracy,
    bootstrap_over_subjects,
    class_scores,
    confusion,
    fold_accuracies,
    fold_weights,
    macro_recall,
)

__all__ = ["Difference", "Scores", "difference", "score"]

Ints = npt.NDArray[np.int64]
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Scores:
    """Figures of a method, 0 to 1. Intervals have a level of 95 %, and are NaN where there is one subject only.

    Attributes:
        accuracy: of all recordings together.
        interval: of the accuracy, over subjects.
        fold_mean: mean of the folds' accuracies.
        fold_interval: of that mean, over subjects.
        macro_recall: mean recall of the classes.
        undecided: recordings without a decision.
        matrix: counts [C, C + 1], rows true, the last column "no decision".
    """

    accuracy: float
    interval: Interval
    fold_mean: float
    fold_interval: Interval
    macro_recall: float
    undecided: int
    matrix: Ints

    @property
    def classes(self) -> ClassScores:
        """Precision, recall and F-score of each class."""
        return class_scores(self.matrix)


@dataclass(frozen=True)
class Difference:
    """Accuracy of one method less that of another on the same recordings, and its 95 % interval over subjects."""

    value: float
    interval: Interval

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0; not where there is no interval."""
        low, high = self.interval
        return low > 0 or high < 0


def score(truth: Ints, predicted: Ints, classes: int, subjects: npt.NDArray[Any], folds: npt.NDArray[Any]) -> Scores:
    """Figures of the predictions [n], -1 for no decision, of C classes."""
    weights = fold_weights(folds)
    return Scores(
        accuracy=accuracy(truth, predicted),
        interval=bootstrap_over_subjects(truth, predicted, subjects, accuracy),
        fold_mean=float(fold_accuracies(truth, predicted, folds).mean()),
        fold_interval=bootstrap_over_subjects(truth, predicted, subjects, accuracy, weights=weights),
        macro_recall=macro_recall(truth, predicted, classes),
        undecided=int((predicted < 0).sum()),
        matrix=confusion(truth, predicted, classes),
    )


def difference(truth: Ints, first: Ints, second: Ints, subjects: npt.NDArray[Any]) -> Difference:
    """How much more often the first predictions [n] are right than the second.

    Both are compared on the same drawn subjects, since who is hard for one method is often hard for the other.
    """
    better, other = (first == truth).astype(np.int64), (second == truth).astype(np.int64)
    return Difference(
        _mean_difference(better, other), bootstrap_over_subjects(better, other, subjects, _mean_difference)
    )


def _mean_difference(first: Ints, second: Ints) -> float:
    return float(first.mean() - second.mean())
