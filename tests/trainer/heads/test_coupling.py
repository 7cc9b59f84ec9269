from __future__ import annotations

import numpy as np

from emostream.engines.heads import LinearSVM
from emostream.trainer.heads.sigmoid import Sigmoids, class_probabilities


def test_probabilities_equal_the_heads():
    rng = np.random.default_rng(1)
    head = LinearSVM(*(rng.standard_normal(shape).astype(np.float32) for shape in ((6, 5), 6, 6, 6)))
    x = 30 * rng.standard_normal((50, 5)).astype(np.float32)
    ours = class_probabilities(head.decisions(x), Sigmoids(head.prob_a, head.prob_b), 4)
    np.testing.assert_allclose(ours, head.probabilities(x), atol=1e-9)


def test_an_unknown_decision_is_hidden_by_a_slope_of_zero():
    sigmoids = Sigmoids(np.array([-1.0, 0.0, 0.0]), np.array([0.0, -16.0, -16.0]))
    decisions = np.array([[2.0, np.nan, np.nan]])
    probabilities = class_probabilities(decisions, sigmoids, 3)
    np.testing.assert_allclose(probabilities[0, 0] / probabilities[0, 1], np.exp(2.0), rtol=1e-4)
    assert probabilities[0, 2] < 1e-5
