"""Heads whose probabilities are fitted to people that the SVM has not seen."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from emostream.engines.heads import LinearSVM
from emostream.trainer.heads.sigmoid import Sigmoids, fit_sigmoid
from emostream.trainer.heads.svm import SVM, class_name, fit_svm, row_weights, train_svm

__all__ = [
    "as_head",
    "fit_pairs",
    "known_decisions",
    "known_pairs",
    "missing_pairs",
    "out_of_fold",
    "pooled_slope",
    "train_head",
    "with_sigmoids",
]

_log = logging.getLogger("emostream")

_CERTAIN = 16.0  # log-odds of a present class against a missing one: the end of LIBSVM's clip, 1e-7
_UNFITTED_SLOPE = -1.0  # without a single row to fit to, a decision value is taken for log-odds

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Float64s = npt.NDArray[np.float64]
Groups = npt.NDArray[Any]
Folds = Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


def train_head(
    features: Floats,
    labels: Ints,
    subjects: Groups,
    classes: int,
    *,
    weights: Floats | None = None,
    recordings: Groups | None = None,
    folds: int = 5,
    names: Sequence[str] | None = None,
) -> LinearSVM:
    """The SVM of all rows, with sigmoids fitted to the decision values of `out_of_fold`.

    Nothing but the given rows is used. The arguments and errors are those of `train_svm` and `out_of_fold`.
    """
    svm = train_svm(features, labels, classes, weights=weights, names=names)
    decisions = out_of_fold(
        features, labels, subjects, classes, weights=weights, recordings=recordings, folds=folds, names=names
    )
    return with_sigmoids(svm, decisions, labels, weights)


def out_of_fold(
    features: Floats,
    labels: Ints,
    subjects: Groups,
    classes: int,
    *,
    weights: Floats | None = None,
    recordings: Groups | None = None,
    folds: int = 5,
    names: Sequence[str] | None = None,
) -> Float64s:
    """Decision values of each row by an SVM that was trained without the row's subject.

    With one subject, or when no class would be left to tell apart, recordings are left out instead, and a warning
    says so.

    Args:
        features: [N, D].
        labels: [N].
        subjects: who speaks in each row [N], of any type that sorts.
        classes: C.
        weights: of the rows [N].
        recordings: which recording each row is a prefix of [N]; None when each row is one of its own.
        folds: at most so many groups of subjects, at least 2.
        names: of the classes, for warnings.

    Returns:
        float64 [N, P]; NaN for pairs with a class that the fold's training rows lacked.
    """
    weights = row_weights(features, labels, classes, weights)
    if folds < 2:
        raise ValueError(f"folds = {folds}; expected 2 or more")
    people = len(np.unique(subjects))
    if people > 1:
        split = GroupKFold(min(folds, people)).split(features, labels, subjects)
        decisions, lacking = _decisions(features, labels, classes, weights, split)
        if np.isfinite(decisions).any():
            for index in sorted(lacking & set(labels.tolist())):
                _log.warning(
                    "class %s has too few subjects to leave out any: fewer rows fit its probabilities; add subjects",
                    class_name(index, names),
                )
            return decisions
    groups = np.arange(len(labels)) if recordings is None else recordings
    largest = max(len(np.unique(groups[labels == index])) for index in np.unique(labels))
    if largest < 2:
        _log.warning("no class has two recordings: its probabilities are not fitted to any; add recordings")
        return np.full((len(labels), classes * (classes - 1) // 2), np.nan)
    _log.warning(
        "%s: probabilities are fitted to other recordings of known subjects and will be too sure of strangers; "
        "add subjects",
        "there is one subject only" if people == 1 else "left-out subjects leave less than two classes",
    )
    with warnings.catch_warnings():  # of classes with fewer recordings than folds, which some folds then lack
        warnings.simplefilter("ignore", UserWarning)
        split = list(StratifiedGroupKFold(min(folds, largest)).split(features, labels, groups))
    return _decisions(features, labels, classes, weights, split)[0]


def with_sigmoids(svm: SVM, decisions: Float64s, labels: Ints, weights: Floats | None = None) -> LinearSVM:
    """A head from an SVM and decision values of left-out rows, with a sigmoid for each pair (LIBSVM's way).

    Args:
        svm: the final one.
        decisions: [N, P] of rows that were not in the training of the SVM that gave them; not finite where it did
            not know the pair.
        labels: of these rows [N].
        weights: of these rows [N].
    """
    return as_head(svm, fit_pairs(decisions, labels, svm.classes, weights, svm.missing))


def fit_pairs(
    decisions: Float64s, labels: Ints, classes: int, weights: Floats | None = None, missing: Collection[int] = ()
) -> Sigmoids:
    """One sigmoid for each pair of classes, fitted to the rows of the two.

    A pair whose rows are all of one class gets `pooled_slope`. A class in `missing` always loses (`missing_pairs`).
    """
    weights = row_weights(decisions, labels, classes, weights)
    sigmoids, known = missing_pairs(classes, missing), known_pairs(classes, missing)
    spare: float | None = None
    for pair, (i, j) in enumerate(combinations(range(classes), 2)):
        if not known[pair]:
            continue
        rows = ((labels == i) | (labels == j)) & np.isfinite(decisions[:, pair]) & (weights > 0)
        first = labels[rows] == i
        if first.any() and not first.all():
            sigmoids.a[pair], sigmoids.b[pair] = fit_sigmoid(decisions[rows, pair], first, weights[rows])
        else:
            if spare is None:
                spare = pooled_slope(decisions, labels, classes, weights, missing)
            sigmoids.a[pair], sigmoids.b[pair] = spare, 0.0
    return sigmoids


def pooled_slope(
    decisions: Float64s, labels: Ints, classes: int, weights: Floats, missing: Collection[int] = ()
) -> float:
    """The slope of one sigmoid without an offset for all pairs together; -1 without any row to fit to."""
    known = known_pairs(classes, missing)
    values, firsts, shares = [np.empty(0)], [np.empty(0, np.bool_)], [np.empty(0)]
    for pair, (i, j) in enumerate(combinations(range(classes), 2)):
        if not known[pair]:
            continue
        rows = ((labels == i) | (labels == j)) & np.isfinite(decisions[:, pair]) & (weights > 0)
        values.append(decisions[rows, pair])
        firsts.append(labels[rows] == i)
        shares.append(weights[rows])
    value, first, share = np.concatenate(values), np.concatenate(firsts), np.concatenate(shares)
    if not len(value):
        return _UNFITTED_SLOPE
    # Each row from both sides: the offset of so symmetric a problem is 0.
    both = fit_sigmoid(np.append(value, -value), np.append(first, ~first), np.append(share, share))
    return both[0]


def known_decisions(svm: SVM, features: Floats) -> Float64s:
    """Decision values [N, P] of features [N, D]; NaN for pairs with a class that the SVM's training rows lacked."""
    return np.where(known_pairs(svm.classes, svm.missing), svm.decisions(features), np.nan)


def known_pairs(classes: int, missing: Collection[int]) -> npt.NDArray[np.bool_]:
    """Which pairs [P] have no class of `missing`."""
    return np.array([i not in missing and j not in missing for i, j in combinations(range(classes), 2)])


def missing_pairs(classes: int, missing: Collection[int]) -> Sigmoids:
    """Sigmoids [P], constant for pairs with a class of `missing`: sure of the other class, even between two; else 0.

    The coupling still gives a missing class a share of how much the other pairs contradict each other (1 % at times),
    never the largest one.
    """
    offsets = [_CERTAIN * (float(i in missing) - float(j in missing)) for i, j in combinations(range(classes), 2)]
    return Sigmoids(np.zeros(len(offsets)), np.array(offsets))


def as_head(svm: SVM, sigmoids: Sigmoids) -> LinearSVM:
    """The head as a bundle holds it, float32."""
    arrays = (svm.weight, svm.bias, *sigmoids)
    return LinearSVM(*(array.astype(np.float32) for array in arrays))


def _decisions(
    features: Floats, labels: Ints, classes: int, weights: Float64s, split: Folds
) -> tuple[Float64s, set[int]]:
    """Decision values [N, P] of left-out rows, and the classes that some fold's training rows lacked."""
    result = np.full((len(labels), classes * (classes - 1) // 2), np.nan)
    lacking: set[int] = set()
    for training, left_out in split:
        learnt = set(labels[training][weights[training] > 0].tolist())
        lacking |= set(range(classes)) - learnt
        if len(learnt) < 2:
            continue
        svm = fit_svm(features[training], labels[training], classes, weights=weights[training])
        result[left_out] = known_decisions(svm, features[left_out])
    return result, lacking
