from __future__ import annotations

import numpy as np
import pytest

from emostream.trainer.heads.choice import Method
from emostream.trainer.metrics import expected_calibration_error
from emostream.trainer.starter.measure import Decided, left_out, summary
from emostream.trainer.starter.recipe import LABELS

PAIRS = len(LABELS) * (len(LABELS) - 1) // 2


def decided(recordings: int = 42, seed: int = 0) -> Decided:
    """Two prefixes of each recording; the decisions favour its label, recording modulo 7."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(recordings), 2)
    scores = rng.standard_normal((len(rows), len(LABELS))) + 2 * np.eye(len(LABELS))[rows % 7]
    first, second = np.triu_indices(len(LABELS), 1)
    return Decided(rows, np.tile([1, 4], recordings), scores[:, first] - scores[:, second], np.full(len(rows), -1))


def test_lengths_choose_the_row_of_each_recording() -> None:
    own = decided()
    assert own.decisions.shape == (84, PAIRS)
    assert own.at(1).tolist() == own.at(3).tolist() == list(range(0, 84, 2))
    assert own.at(None).tolist() == list(range(1, 84, 2))
    assert own.weights.tolist() == [0.5] * 84


@pytest.mark.parametrize("method", ["pairs", "common"])
def test_nobody_calibrates_their_own_probabilities(method: Method) -> None:
    own, labels, groups = decided(), np.arange(42) % 7, np.arange(42) // 14
    found = left_out(method, own, own, labels, groups)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (found.argmax(axis=1) == labels[own.recordings]).mean() > 0.6
    rows = groups[own.recordings] == 0
    turned = np.where(groups == 0, (labels + 1) % 7, labels)
    other = left_out(method, own, own, turned, groups)
    np.testing.assert_array_equal(other[rows], found[rows])
    assert np.abs(other[~rows] - found[~rows]).max() > 1e-3


def test_a_summary_is_what_the_metrics_say() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 7, 300)
    probabilities = rng.dirichlet(np.ones(7), 300)
    found = summary(truth, probabilities, np.arange(300))
    right = (probabilities.argmax(axis=1) == truth).mean()
    assert found["accuracy"] == pytest.approx(right, abs=1e-4)
    assert found["calibration_error"] == pytest.approx(expected_calibration_error(probabilities, truth), abs=1e-4)
    assert np.array(found["confusion"]).sum() == sum(found["reliability"]["counts"]) == 300
    assert found["accuracy_interval_95"][0] < right < found["accuracy_interval_95"][1]
