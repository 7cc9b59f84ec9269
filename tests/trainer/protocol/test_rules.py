from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import make_blobs
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression

from emostream.trainer.protocol.rules import RULES, combine, decide, fuse_scores, majority

SCORES = [rule for rule in RULES if rule != "majority"]
probabilities = arrays(np.float64, (5, 6), elements=st.floats(1e-7, 1)).map(lambda p: p / p.sum(axis=1, keepdims=True))


def test_each_rule_by_hand():
    audio, video = np.array([[0.7, 0.2, 0.1]]), np.array([[0.05, 0.45, 0.5]])
    expected = {
        "max": ([0.7, 0.45, 0.5], 0),
        "sum": ([0.75, 0.65, 0.6], 0),
        "min": ([0.05, 0.2, 0.1], 1),
        "average": ([0.375, 0.325, 0.3], 0),
        "product": ([0.035, 0.09, 0.05], 1),
    }
    assert set(expected) == set(SCORES)
    for rule, (scores, chosen) in expected.items():
        np.testing.assert_allclose(combine(rule, audio, video), [scores])
        assert decide(combine(rule, audio, video)).tolist() == [chosen]


@given(probabilities, probabilities)
def test_sum_average_and_equal_scores_agree(audio, video):
    chosen = decide(combine("sum", audio, video))
    assert (decide(combine("average", audio, video)) == chosen).all()
    assert (decide(fuse_scores(audio, video)) == chosen).all()


@pytest.mark.parametrize("rule", SCORES)
@given(audio=probabilities, video=probabilities)
def test_neither_network_is_preferred_and_agreement_is_kept(rule, audio, video):
    np.testing.assert_array_equal(combine(rule, audio, video), combine(rule, video, audio))
    assert (decide(combine(rule, audio, audio)) == decide(audio)).all()


def test_average_equals_scikit_learns_soft_vote():
    x, y = make_blobs(n_samples=120, centers=4, cluster_std=5.0, random_state=0)
    members = [LogisticRegression(C=c).fit(x, y) for c in (1e-3, 10.0)]
    vote = VotingClassifier([("a", LogisticRegression(C=1e-3)), ("v", LogisticRegression(C=10.0))], voting="soft").fit(
        x, y
    )
    audio, video = (member.predict_proba(x) for member in members)
    np.testing.assert_allclose(combine("average", audio, video), vote.predict_proba(x))


def test_score_fusion_takes_any_scores_and_weights():
    audio, video = np.array([[-3.0, 1.0]]), np.array([[2.0, 0.0]])
    np.testing.assert_allclose(fuse_scores(audio, video), [[-0.5, 0.5]])
    np.testing.assert_allclose(fuse_scores(audio, video, 0.2), [[1.0, 0.2]])


def test_majority_counts_the_segments_of_both():
    flat = np.full((3, 3), 1 / 3)
    votes = majority(
        [np.array([0, 0, 1]), np.array([2]), np.array([], np.int64)],
        [np.array([1, 1, 2]), np.array([], np.int64), np.array([1])],
        flat,
        flat,
    )
    assert decide(votes).tolist() == [1, 2, 1]
    assert (votes >= 0).sum(axis=1).tolist() == [1, 1, 1]


def test_majority_breaks_ties_by_the_sum_rule_among_the_tied():
    audio, video = np.array([[0.1, 0.2, 0.7], [0.2, 0.3, 0.5]]), np.array([[0.1, 0.3, 0.6], [0.1, 0.1, 0.8]])
    tied = majority([np.array([0]), np.array([], np.int64)], [np.array([1]), np.array([], np.int64)], audio, video)
    assert decide(tied).tolist() == [1, 2]  # class 2 has no vote; without any vote, all are tied


@given(st.lists(st.integers(0, 5), max_size=9), st.lists(st.integers(0, 5), min_size=1, max_size=9), probabilities)
def test_majority_has_the_most_votes(audio_votes, video_votes, scores):
    cast = np.array(audio_votes + video_votes)
    chosen = decide(majority([np.array(audio_votes)], [np.array(video_votes)], scores[:1], scores[1:2]))[0]
    assert (cast == chosen).sum() == np.unique(cast, return_counts=True)[1].max()


def test_scores_that_do_not_fit():
    good = np.full((2, 3), 1 / 3)
    with pytest.raises(ValueError, match="expected \\[N, C\\] twice"):
        combine("sum", good, good[:1])
    with pytest.raises(ValueError, match="both modalities"):
        combine("max", good, np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="negative"):
        combine("product", good, -good)
    with pytest.raises(ValueError, match="1 and 2 recordings"):
        majority([np.array([0])], [np.array([0])] * 2, good, good)
    with pytest.raises(ValueError, match="vote for class 3"):
        majority([np.array([0]), np.array([3])], [np.array([0])] * 2, good, good)
