"""Pooled features of the beginnings of a recording: live use starts with one segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.engines.errors import DataError

__all__ = ["PrefixPlaces", "PrefixRows", "prefix_lengths", "prefix_means", "prefix_rows"]

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class PrefixPlaces:
    """Which prefixes rows are of; a recording's own are in order of their length.

    Attributes:
        recordings: int64 [R], which of the given recordings each row comes from.
        lengths: int64 [R], in segments.
    """

    recordings: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Of the rows, float64 [R]; those of one recording sum to 1."""
        counts = np.bincount(self.recordings)
        return np.asarray(1.0 / counts[self.recordings])

    def at(self, length: int | None) -> npt.NDArray[np.int64]:
        """The row of each recording that holds its first `length` segments, or all where there are no more.

        Args:
            length: one of the lengths that `prefix_lengths` knows; None is all.

        Returns:
            Indices into the rows, one for each recording that has rows, in the order of the recordings.
        """
        fits = np.flatnonzero(self.lengths <= length) if length is not None else np.arange(len(self.lengths))
        last = np.flatnonzero(np.diff(self.recordings[fits], append=-1))
        return fits[last]


@dataclass(frozen=True, eq=False)
class PrefixRows(PrefixPlaces):
    """Pooled features of prefixes.

    Attributes:
        features: float32 [R, D].
    """

    features: npt.NDArray[np.float32]


def prefix_means(features: Floats) -> npt.NDArray[np.float32]:
    """Means of the first 1, 2, ..., n of a recording's features [n, D], as float32 [n, D]: the live pool's."""
    counts = np.arange(1, len(features) + 1)[:, None]
    return (np.cumsum(features, axis=0, dtype=np.float64) / counts).astype(np.float32)


def prefix_lengths(segments: int) -> list[int]:
    """The lengths that are trained on: 1, 2, 3, 5, 8, 13, ... below `segments`, and `segments` itself."""
    lengths, following = [], (1, 2)
    while following[0] < segments:
        lengths.append(following[0])
        following = (following[1], sum(following))
    return [*lengths, segments] if segments else []


def prefix_rows(recordings: Sequence[Floats]) -> PrefixRows:
    """Pooled features of prefixes of many recordings.

    Args:
        recordings: the features of one recording's segments in order, [n, D] each; one with n = 0 gives no row.

    Raises:
        DataError: not one recording has a segment.
    """
    kept = [(index, features) for index, features in enumerate(recordings) if len(features)]
    if not kept:
        raise DataError(
            f"none of {len(recordings)} recordings has a segment to train a head on; expected a voice or a face: "
            "look at the report of `prepare`"
        )
    lengths = [prefix_lengths(len(features)) for _, features in kept]
    counts = np.array([len(own) for own in lengths])
    return PrefixRows(
        features=np.concatenate(
            [prefix_means(features)[np.array(own) - 1] for (_, features), own in zip(kept, lengths, strict=True)]
        ),
        recordings=np.repeat(np.array([index for index, _ in kept], np.int64), counts),
        lengths=np.concatenate([np.array(own, np.int64) for own in lengths]),
    )
