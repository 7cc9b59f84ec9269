"""Which calibration a head gets: LIBSVM's, unless a plainer one is measured to be better on strangers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.model_selection import GroupKFold

from emostream.engines.heads import LinearSVM
from emostream.trainer.heads.calibrated import as_head, fit_pairs, known_pairs, missing_pairs, pooled_slope
from emostream.trainer.heads.prefixes import PrefixPlaces
from emostream.trainer.heads.sigmoid import Sigmoids, class_probabilities
from emostream.trainer.heads.svm import SVM, row_weights
from emostream.trainer.metrics import expected_calibration_error, log_loss

__all__ = ["LENGTHS", "METHODS", "Calibration", "Figures", "Method", "choose_calibration", "fit_common"]

Method = Literal["pairs", "common"]
METHODS: tuple[Method, ...] = ("pairs", "common")
LENGTHS: dict[str, int | None] = {"1": 1, "3": 3, "all": None}  # segments that a head has heard when it is measured

_SLOPE_RANGE = 100.0  # how far the common slope may be from that of the pairs taken alone, as a factor

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """How good probabilities are on subjects that they were not fitted to.

    Attributes:
        calibration_error: expected calibration error of the top class, 0 to 1.
        log_loss: mean negative log-likelihood of the true class, in nats.
    """

    calibration_error: float
    log_loss: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """A calibrated head and why it is calibrated so.

    Attributes:
        head: the SVM with the chosen probabilities.
        method: "pairs" is a sigmoid for each pair, "common" is one slope for all pairs.
        figures: of both methods, by prefix length ("1", "3", "all"); empty when nothing could be left out.
    """

    head: LinearSVM
    method: Method
    figures: dict[Method, dict[str, Figures]]


def choose_calibration(
    svm: SVM,
    decisions: Float64s,
    labels: Ints,
    subjects: npt.NDArray[Any],
    rows: PrefixPlaces,
    *,
    folds: int = 5,
) -> Calibration:
    """Calibrate a head in the better of two ways, by figures on left-out subjects after 1, 3 and all segments.

    LIBSVM's way is left only for a lower mean log-loss over the three lengths. That score is proper: it falls only
    where probabilities become more honest or say more. The calibration error can be had by saying little, moves with
    the edges of its bins, and what it gains at one length it loses at another.

    Args:
        svm: the final one.
        decisions: [N, P] of the rows, by SVMs that were trained without their subjects (`out_of_fold`).
        labels: of the rows [N].
        subjects: of the rows [N]; with one subject, recordings are left out.
        rows: the prefixes [N] that the decision values belong to.
        folds: at most so many groups of subjects.
    """
    groups = subjects if len(np.unique(subjects)) > 1 else rows.recordings
    coupled = np.asarray(np.isfinite(decisions[:, known_pairs(svm.classes, svm.missing)]).all(axis=1))
    figures: dict[Method, dict[str, Figures]] = {}
    if coupled.any() and len(np.unique(groups)) > 1:
        probabilities = _left_out(svm, decisions, labels, groups, rows.weights, folds)
        for name, length in LENGTHS.items():
            at = rows.at(length)
            at = at[coupled[at]]
            for each, values in probabilities.items():
                figures.setdefault(each, {})[name] = Figures(
                    expected_calibration_error(values[at], labels[at]), log_loss(values[at], labels[at])
                )
    method: Method = "common" if figures and _better(figures["common"], figures["pairs"]) else "pairs"
    return Calibration(as_head(svm, _fit(method, svm, decisions, labels, rows.weights)), method, figures)


def fit_common(
    decisions: Float64s, labels: Ints, classes: int, weights: Floats | None = None, missing: Collection[int] = ()
) -> Sigmoids:
    """One slope for all pairs and no offsets, by the log-loss of the coupled probabilities.

    Takes what `fit_pairs` takes. Only rows whose every pair was known count, for only they can be coupled; without
    one, the slope is `pooled_slope`.
    """
    weights = row_weights(decisions, labels, classes, weights)
    known, offsets = known_pairs(classes, missing), missing_pairs(classes, missing).b
    slope = abs(pooled_slope(decisions, labels, classes, weights, missing)) or 1.0
    rows = (weights > 0) & np.isfinite(decisions[:, known]).all(axis=1)

    def sigmoids(exponent: float) -> Sigmoids:
        return Sigmoids(np.where(known, -slope * np.exp(exponent), 0.0), offsets)

    def loss(exponent: float) -> float:
        coupled = class_probabilities(decisions[rows], sigmoids(exponent), classes)
        return log_loss(coupled, labels[rows], weights[rows])

    if not rows.any():
        return sigmoids(0.0)
    limit = float(np.log(_SLOPE_RANGE))
    return sigmoids(float(minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-4}).x))


def _fit(method: Method, svm: SVM, decisions: Float64s, labels: Ints, weights: Float64s) -> Sigmoids:
    fit = fit_pairs if method == "pairs" else fit_common
    return fit(decisions, labels, svm.classes, weights, svm.missing)


def _better(one: dict[str, Figures], other: dict[str, Figures]) -> bool:
    """Whether the mean log-loss over the lengths is lower."""
    means = [float(np.mean([f.log_loss for f in each.values()])) for each in (one, other)]
    return means[0] < means[1]


def _left_out(
    svm: SVM, decisions: Float64s, labels: Ints, groups: npt.NDArray[Any], weights: Float64s, folds: int
) -> dict[Method, Float64s]:
    """Probabilities [N, C] of each row by fits without the row's group; NaN where a pair was not known."""
    result: dict[Method, Float64s] = {method: np.empty((len(labels), svm.classes)) for method in METHODS}
    for training, left_out in GroupKFold(min(folds, len(np.unique(groups)))).split(decisions, labels, groups):
        for method in METHODS:
            fitted = _fit(method, svm, decisions[training], labels[training], weights[training])
            result[method][left_out] = class_probabilities(decisions[left_out], fitted, svm.classes)
    return result
