from __future__ import annotations

import numpy as np
import pytest

from engines.heads import LinearSVM, couple
from trainer.heads.coupling import Sigmoids, class_probabilities, couple_rows


@pytest.mark.parametrize("classes", [2, 3, 6, 8])
def test_equals_the_engines(classes):
    rng = np.random.default_rng(0)
    pairs = rng.random((200, classes * (classes - 1) // 2))
    pairs[0], pairs[1] = 1.0, 0.0
    expected = np.stack([couple(row, classes) for row in pairs])
    np.testing.assert_allclose(couple_rows(pairs, classes), expected, atol=1e-12)


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
