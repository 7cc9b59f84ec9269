"""Probabilities of many rows at once, from their decision values: what `engines.heads` does row by row."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Sigmoids", "class_probabilities", "couple_rows"]

_MIN_PAIR_PROBABILITY = 1e-7  # as in engines.heads

Float64s = npt.NDArray[np.float64]


class Sigmoids(NamedTuple):
    """Slope and offset of each pair's sigmoid, float64 [P] each: `prob_a` and `prob_b` of a head."""

    a: Float64s
    b: Float64s


def class_probabilities(decisions: Float64s, sigmoids: Sigmoids, classes: int) -> Float64s:
    """Probabilities [N, C] of decision values [N, P]; each row sums to one.

    Where a slope is 0, the decision value may be NaN.
    """
    logits = np.where(sigmoids.a == 0, 0.0, decisions * sigmoids.a) + sigmoids.b
    return couple_rows(0.5 * (1.0 - np.tanh(0.5 * logits)), classes)


def couple_rows(pairs: Float64s, classes: int) -> Float64s:
    """`engines.heads.couple` of each row: pairs' probabilities [N, P] to classes' [N, C]."""
    clipped = np.clip(pairs, _MIN_PAIR_PROBABILITY, 1 - _MIN_PAIR_PROBABILITY)
    r = np.zeros((len(pairs), classes, classes))
    first, second = np.array(list(combinations(range(classes), 2))).T
    r[:, first, second], r[:, second, first] = clipped, 1.0 - clipped
    system = np.ones((len(pairs), classes + 1, classes + 1))
    system[:, :classes, :classes] = -r.transpose(0, 2, 1) * r
    diagonal = np.arange(classes)
    system[:, diagonal, diagonal] = (r**2).sum(axis=1)
    system[:, classes, classes] = 0.0
    right = np.zeros((len(pairs), classes + 1, 1))
    right[:, classes] = 1.0
    positive = np.maximum(np.linalg.solve(system, right)[:, :classes, 0], 0.0)
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))
