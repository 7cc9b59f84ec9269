"""Probabilities of decision values whose sigmoids are still being fitted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emostream.engines.heads import couple

__all__ = ["Sigmoids", "class_probabilities"]

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
    return couple(0.5 * (1.0 - np.tanh(0.5 * logits)), classes)
