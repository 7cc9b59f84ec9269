"""The linear one-versus-one SVM on features scaled to [0, 1], trained fast where features are many.

The reference is LIBSVM as the paper's authors ran it: `svm-scale -l 0 -u 1`, then `svm-train -t 0 -c 1`. One pair of
classes is one problem of its own. Its kernel matrix is one product of matrices, so that LIBSVM's solver, which
scikit-learn carries, never touches the features.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC

from emostream.engines.errors import DataError

__all__ = ["SVM", "class_name", "fit_svm", "row_weights", "train_svm", "vote"]

_log = logging.getLogger("emostream")

# The kernel matrix of all rows at once saves 40 % of the products; past this size it is one of two classes at a time.
_WHOLE_KERNEL_BYTES = 2**30
# A feature that differs by less, relative to its size, is constant but for float32's rounding.
_SMALLEST_RELATIVE_SPAN = 1e-6
_SMALLEST_SPAN = 1e-30  # its inverse is still far from float32's end

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SVM:
    """A linear one-versus-one SVM over C classes, in the order and with the signs of `engines.heads.LinearSVM`.

    Attributes:
        weight: float64 [P, D], for unscaled features.
        bias: float64 [P].
        missing: the classes that no training row had. Their pairs decide +-1 for the class that was there, whatever
            the feature, and 0 between two missing ones, so that they never win.
    """

    weight: Float64s
    bias: Float64s
    missing: tuple[int, ...]

    @property
    def classes(self) -> int:
        """Number of classes C."""
        return (1 + int(np.sqrt(1 + 8 * self.bias.shape[0]))) // 2

    def decisions(self, x: Floats) -> Float64s:
        """Decision values [N, P] of features [N, D]."""
        return np.asarray(np.asarray(x, np.float64) @ self.weight.T + self.bias)

    def predict(self, x: Floats) -> npt.NDArray[np.int64]:
        """Classes [N] of features [N, D] by the pairs' votes."""
        return vote(self.decisions(x), self.classes)


def vote(decisions: Float64s, classes: int) -> npt.NDArray[np.int64]:
    """Classes [N] by the votes of decision values [N, P]; the lowest of those with the most votes, as in LIBSVM."""
    votes = np.zeros((len(decisions), classes), np.int64)
    for (i, j), values in zip(combinations(range(classes), 2), decisions.T, strict=True):
        votes[:, i] += values > 0
        votes[:, j] += values <= 0
    return np.asarray(votes.argmax(axis=1))


def train_svm(
    features: Floats,
    labels: Ints,
    classes: int,
    *,
    weights: Floats | None = None,
    c: float = 1.0,
    names: Sequence[str] | None = None,
) -> SVM:
    """Train on pooled features, and warn of classes that are missing.

    Args:
        features: [N, D], unscaled. They are scaled to [0, 1] by their own minimum and maximum; constant ones give 0.
        labels: classes [N], 0 to C - 1.
        classes: C.
        weights: of the rows [N], at least 0; a row's own penalty is `c` times its weight. Prefixes of one recording
            whose weights sum to 1 count together as one recording.
        c: the penalty.
        names: of the classes, for the warning.

    Returns:
        The SVM; the scaling is folded into its weight and bias.

    Raises:
        DataError: there are rows of fewer than two classes, or features that are not finite.
        ValueError: arguments that don't fit each other.
    """
    svm = fit_svm(features, labels, classes, weights=weights, c=c)
    for index in svm.missing:
        name = class_name(index, names)
        _log.warning(
            "no training row of class %s: the SVM never chooses it; add recordings of it or leave it out", name
        )
    return svm


def fit_svm(features: Floats, labels: Ints, classes: int, *, weights: Floats | None = None, c: float = 1.0) -> SVM:
    """`train_svm` without a warning; who calls looks at `missing`."""
    weights = row_weights(features, labels, classes, weights)
    used = weights > 0
    if not used.all():  # a class whose rows all weigh nothing is missing
        features, labels, weights = features[used], labels[used], weights[used]
    present = np.unique(labels)
    if len(present) < 2:
        raise DataError(
            f"an SVM can't be trained on {len(labels)} rows of {len(present)} of {classes} classes; expected two "
            "classes or more: add recordings"
        )
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features).all(axis=1)).sum())
        raise DataError(
            f"{bad} of {len(features)} pooled features hold values that are not finite; expected finite ones: "
            "train the network again at a lower rate"
        )
    scaled = np.array(features, dtype=np.float64, order="C")
    low, scale = _scaling(scaled)
    scaled -= low
    scaled *= scale
    kernel = scaled @ scaled.T if 8 * len(scaled) ** 2 <= _WHOLE_KERNEL_BYTES else None

    weight = np.zeros((classes * (classes - 1) // 2, scaled.shape[1]))
    bias = np.zeros(len(weight))
    for pair, (i, j) in enumerate(combinations(range(classes), 2)):
        rows = np.flatnonzero((labels == i) | (labels == j))
        if i in present and j in present:
            own = kernel[np.ix_(rows, rows)] if kernel is not None else scaled[rows] @ scaled[rows].T
            model = SVC(C=c, kernel="precomputed").fit(own, labels[rows] == j, sample_weight=weights[rows])
            # scikit-learn's positive side is the second class.
            weight[pair] = -model.dual_coef_[0] @ scaled[rows[model.support_]]
            bias[pair] = -model.intercept_[0]
        else:
            bias[pair] = float(i in present) - float(j in present)
    weight *= scale
    return SVM(weight, bias - weight @ low, tuple(sorted(set(range(classes)) - set(present.tolist()))))


def row_weights(features: Floats, labels: Ints, classes: int, weights: Floats | None) -> Float64s:
    """Weights [N] in float64, ones for None; checks that rows, labels and weights fit each other.

    Raises:
        ValueError: they don't.
    """
    rows = len(labels)
    if features.ndim != 2 or len(features) != rows or labels.ndim != 1:
        raise ValueError(f"rows have the shape {features.shape}, labels {labels.shape}; expected [N, D] and [N]")
    if classes < 2 or not np.isin(labels, np.arange(classes)).all():
        raise ValueError(f"labels {np.unique(labels).tolist()} of {classes} classes; expected 0 to {classes - 1}")
    result = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    if result.shape != (rows,) or not (np.isfinite(result).all() and (result >= 0).all()):
        raise ValueError(f"weights of the shape {result.shape} for {rows} rows; expected [N], finite, at least 0")
    return result


def class_name(index: int, names: Sequence[str] | None) -> str:
    """What a message calls a class: its name, else its index."""
    return str(index) if names is None else names[index]


def _scaling(features: Float64s) -> tuple[Float64s, Float64s]:
    """Minimum [D] and factor [D] that bring features [N, D] to [0, 1]; the factor is 0 where they are constant."""
    low, high = features.min(axis=0), features.max(axis=0)
    span = high - low
    smallest = np.maximum(_SMALLEST_RELATIVE_SPAN * np.maximum(abs(low), abs(high)), _SMALLEST_SPAN)
    varies = span > smallest
    return low, np.where(varies, 1.0, 0.0) / np.where(varies, span, 1.0)
