from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from emostream.trainer.datasets.base import PAPER_LABELS
from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.paper import PAPER, paper_data_set

RECALLS = {  # of anger, disgust, fear, joy, sadness, surprise
    "rml": [85.0, 88.3, 85.0, 59.2, 91.7, 84.2],
    "enterface05": [89.8, 91.6, 74.0, 92.6, 87.4, 80.5],
    "baum1s": [17.9, 21.3, 2.7, 88.4, 64.9, 26.8],
}
POOLED = {"rml": 82.22, "enterface05": 85.97, "baum1s": 53.55}
SIZES = {"rml": [120] * 6, "enterface05": [215] * 6, "baum1s": [56, 80, 37, 173, 134, 41]}


@pytest.mark.parametrize("name", PAPER)
def test_counts_fit_what_is_printed(name):
    paper = PAPER[name]
    counts = paper.confusion(paper.emotions)
    by_prediction = counts.T
    np.testing.assert_array_equal(by_prediction.sum(axis=1), paper.predictions)
    shares = 100 * by_prediction / by_prediction.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, paper.percent, atol=0.00501)
    assert counts.sum() == paper.recordings
    assert paper.confusion(PAPER_LABELS).sum(axis=1).tolist() == SIZES[name]


@pytest.mark.parametrize("name", PAPER)
def test_true_recalls(name):
    paper = PAPER[name]
    counts = paper.confusion(PAPER_LABELS)
    truth = np.repeat(np.repeat(range(6), 6), counts.ravel())
    predicted = np.repeat(np.tile(range(6), 6), counts.ravel())
    precision, recall, *_ = metrics.precision_recall_fscore_support(truth, predicted)
    np.testing.assert_allclose(100 * recall, RECALLS[name], atol=0.051)
    assert 100 * metrics.accuracy_score(truth, predicted) == pytest.approx(POOLED[name], abs=0.005)
    # What the tables print as recall is precision.
    printed = [paper.printed_of(label)[1] for label in PAPER_LABELS]
    np.testing.assert_allclose(100 * precision, printed, atol=0.00501)


@pytest.mark.parametrize("name", PAPER)
def test_printed_f_scores_are_of_the_printed_two(name):
    for precision, recall, f_score in PAPER[name].printed:
        assert 2 * precision * recall / (precision + recall) == pytest.approx(f_score, abs=0.02)


def test_earlier_work_is_below_the_papers_own():
    own = {table: method for method in METHODS for table in method.tables if method.tables[table] == "Ours"}
    for paper in PAPER.values():
        assert paper.earlier.keys() == own.keys() == {"II", "III", "XI"}
        for table, rows in paper.earlier.items():
            assert max(accuracy for _, accuracy in rows) < own[table].paper[paper.column]


def test_other_data_sets_and_classes_are_not_the_papers():
    assert paper_data_set("rml", PAPER_LABELS[::-1]) is PAPER["rml"]
    assert paper_data_set("rml", PAPER_LABELS[:5]) is None
    assert paper_data_set("rml", (*PAPER_LABELS, "neutral")) is None
    assert paper_data_set("ravdess", PAPER_LABELS) is None
