"""Features of segments as one feature of their recording (paper, section III-C)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from emostream.trainer.training.embedding import Embedded

__all__ = ["Pooled", "pool"]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Features of R recordings; rows of those without a segment are zero.

    Attributes:
        mean: float32 [R, D], average pooling.
        highest: float32 [R, D], maximum pooling.
        present: bool [R], whether a recording has any segment.
        votes: for each recording the classes that the network's softmax layer gives its segments, int64.
    """

    mean: npt.NDArray[np.float32]
    highest: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]
    votes: tuple[npt.NDArray[np.int64], ...]


def pool(embedded: Embedded, recordings: int) -> Pooled:
    """Pool the segments of each of R recordings."""
    width = embedded.features.shape[1]
    mean, highest = np.zeros((2, recordings, width), np.float32)
    starts = np.searchsorted(embedded.rows.recording, np.arange(recordings + 1))
    decisions = embedded.logits.argmax(axis=1) if embedded.logits.size else np.zeros(0, np.int64)
    for recording, (first, stop) in enumerate(pairwise(starts)):
        if first < stop:
            own = embedded.features[first:stop]
            mean[recording] = own.mean(axis=0, dtype=np.float64)
            highest[recording] = own.max(axis=0)
    votes = tuple(decisions[first:stop] for first, stop in pairwise(starts))
    return Pooled(mean, highest, starts[1:] > starts[:-1], votes)
