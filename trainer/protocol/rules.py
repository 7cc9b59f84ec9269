"""Late fusion: one decision from the audio and the video SVM (the paper, section IV, tables V and VI).

The rules are those of Kittler, Hatef, Duin and Matas, "On combining classifiers", IEEE TPAMI 20(3), 1998, with equal
priors and two classifiers. Where classes tie, the first is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["RULES", "Rule", "combine", "decide", "fuse_scores", "majority"]

Rule = Literal["majority", "max", "sum", "min", "average", "product"]
RULES: tuple[Rule, ...] = ("majority", "max", "sum", "min", "average", "product")  # the order of table V

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Float64s = npt.NDArray[np.float64]

_SCORES: dict[str, Callable[[Float64s, Float64s], Float64s]] = {
    "max": np.maximum,
    "sum": np.add,
    "min": np.minimum,
    "average": lambda audio, video: (audio + video) / 2,
    "product": np.multiply,
}


def combine(rule: Literal["max", "sum", "min", "average", "product"], audio: Floats, video: Floats) -> Float64s:
    """Scores [N, C] of a rule that works on class scores; they don't sum to one.

    Args:
        rule: all but "majority", which needs the segments' decisions.
        audio: probabilities [N, C] of the audio SVM.
        video: those of the video SVM.

    Raises:
        ValueError: the scores don't fit each other, or are not finite or negative.
    """
    first, second = _scores(audio, video)
    if first.size and min(first.min(), second.min()) < 0:
        raise ValueError(f"the {rule} rule got a negative score; expected probabilities")
    return _SCORES[rule](first, second)


def fuse_scores(audio: Floats, video: Floats, weight: float = 0.5) -> Float64s:
    """Score-level fusion, equation 6: `weight` audio + (1 - weight) video [N, C], of scores of any kind.

    On probabilities of the SVMs this is the average rule. The paper's figures for the two differ, so that it must
    have taken other scores, which it doesn't name.
    """
    first, second = _scores(audio, video)
    return weight * first + (1 - weight) * second


def majority(audio_votes: Sequence[Ints], video_votes: Sequence[Ints], audio: Floats, video: Floats) -> Float64s:
    """The majority rule: each segment of each network has one vote.

    Args:
        audio_votes: for each of N recordings, the classes that the audio network gave its segments; may be empty.
        video_votes: the same of the video network.
        audio: probabilities [N, C] of the audio SVM.
        video: those of the video SVM.

    Returns:
        The summed probabilities [N, C] of the classes with the most votes, -1 for the others: a tie, as of one vote
        each, goes to the tied class that the sum rule prefers, and a recording without a vote to the sum rule.
    """
    summed = combine("sum", audio, video)
    if not len(audio_votes) == len(video_votes) == len(summed):
        raise ValueError(
            f"votes for {len(audio_votes)} and {len(video_votes)} recordings with scores for {len(summed)}; "
            "expected as many of each"
        )
    for row, votes in enumerate(zip(audio_votes, video_votes, strict=True)):
        counts = np.bincount(np.concatenate(votes).astype(np.int64), minlength=summed.shape[1])
        if len(counts) > summed.shape[1]:
            raise ValueError(f"recording {row} has a vote for class {len(counts) - 1} of {summed.shape[1]}")
        summed[row, counts < counts.max()] = -1.0
    return summed


def decide(scores: Floats) -> npt.NDArray[np.int64]:
    """The classes [N] with the highest of scores [N, C]."""
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _scores(audio: Floats, video: Floats) -> tuple[Float64s, Float64s]:
    first, second = np.asarray(audio, np.float64), np.asarray(video, np.float64)
    if first.ndim != 2 or first.shape != second.shape:
        raise ValueError(f"audio scores {first.shape} and video scores {second.shape}; expected [N, C] twice")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a score is not finite; expected recordings that have both modalities only")
    return first, second
