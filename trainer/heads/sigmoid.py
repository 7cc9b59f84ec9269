"""Platt's sigmoid: from a decision value to a probability.

Platt, "Probabilistic outputs for support vector machines", 1999, in the stable form of Lin, Lin and Weng, "A note on
Platt's probabilistic outputs for support vector machines", Machine Learning 68, 2007.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from emostream.engines.heads import couple

__all__ = ["Sigmoids", "class_probabilities", "fit_sigmoid"]

Floats = npt.NDArray[np.floating[Any]]
Float64s = npt.NDArray[np.float64]


class Sigmoids(NamedTuple):
    """Slope and offset of each pair's sigmoid, float64 [P] each: `prob_a` and `prob_b` of a head."""

    a: Float64s
    b: Float64s


def fit_sigmoid(
    decisions: Floats, positive: npt.NDArray[np.bool_], weights: Floats | None = None
) -> tuple[float, float]:
    """Slope a and offset b of P(positive | f) = 1 / (1 + exp(a f + b)) with the least cross-entropy.

    The targets are Platt's, (n+ + 1) / (n+ + 2) and 1 / (n- + 2), with the rows' weights as their numbers: they keep
    the sigmoid finite where the two sides don't overlap.

    Args:
        decisions: f [N], of rows that the SVM was not trained on.
        positive: whether a row belongs to the positive side [N]; both sides must be there.
        weights: of the rows [N], at least 0; None is 1 for each.

    Raises:
        ValueError: one side has no rows, or none with a weight.
    """
    weight = np.ones(len(decisions)) if weights is None else np.asarray(weights, dtype=np.float64)
    n_positive, n_negative = float(weight[positive].sum()), float(weight[~positive].sum())
    if not (n_positive > 0 and n_negative > 0):
        raise ValueError(f"rows that weigh {n_positive} and {n_negative} on the two sides; expected some on both")
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    share = weight / weight.sum()
    # In units of the largest decision value, both parameters are near one in size.
    unit = float(abs(decisions).max()) or 1.0
    inputs = np.stack([np.asarray(decisions, np.float64) / unit, np.ones(len(decisions))], axis=1)

    def loss(theta: Float64s) -> tuple[float, Float64s]:
        z = inputs @ theta
        # -t log p - (1 - t) log(1 - p) without the logarithm of a vanishing p.
        value = share @ (np.logaddexp(0.0, -z) + target * z)
        return float(value), (share * (target - _probability(z))) @ inputs

    def hessian(theta: Float64s) -> Float64s:
        p = _probability(inputs @ theta)
        return np.asarray((inputs * (share * p * (1 - p))[:, None]).T @ inputs)

    start = np.array([0.0, np.log((n_negative + 1) / (n_positive + 1))])
    found = minimize(loss, start, jac=True, hess=hessian, method="trust-exact", options={"gtol": 1e-9})
    return float(found.x[0]) / unit, float(found.x[1])


def _probability(z: Float64s) -> Float64s:
    """1 / (1 + exp(z)), which never overflows."""
    return np.asarray(0.5 * (1.0 - np.tanh(0.5 * z)))


def class_probabilities(decisions: Float64s, sigmoids: Sigmoids, classes: int) -> Float64s:
    """Probabilities [N, C] of decision values [N, P]; each row sums to one.

    Where a slope is 0, the decision value may be NaN.
    """
    logits = np.where(sigmoids.a == 0, 0.0, decisions * sigmoids.a) + sigmoids.b
    return couple(0.5 * (1.0 - np.tanh(0.5 * logits)), classes)
