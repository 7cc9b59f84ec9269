"""Prepared recordings as training sees them: arrays over recordings, and segments behind them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from emostream.engines.errors import DataError
from emostream.trainer.datasets.base import Recording
from emostream.trainer.segments.prepare import PreparedSet
from emostream.trainer.segments.store import Segments, SegmentStore

__all__ = ["Corpus"]


@dataclass(frozen=True)
class Corpus:
    """R recordings of a data set. It travels to other processes as names; segments are mapped where they are used.

    Attributes:
        dataset: name of the data set.
        classes: the labels, in the order of class axes.
        recordings: sorted by name.
        keys: of their segments, one each.
        store: where these are.
    """

    dataset: str
    classes: tuple[str, ...]
    recordings: tuple[Recording, ...]
    keys: tuple[str, ...]
    store: SegmentStore

    @classmethod
    def of(cls, prepared: PreparedSet, store: SegmentStore) -> Corpus:
        """The usable recordings of a prepared data set."""
        return cls(
            dataset=prepared.dataset.name,
            classes=prepared.dataset.labels,
            recordings=tuple(each.recording for each in prepared.recordings),
            keys=tuple(each.segments.key for each in prepared.recordings),
            store=store,
        )

    @cached_property
    def segments(self) -> tuple[Segments, ...]:
        """The segments of each recording.

        Raises:
            DataError: they are no longer in the cache.
        """
        found = tuple(map(self.store.load, self.keys))
        for recording, segments in zip(self.recordings, found, strict=True):
            if segments is None:
                raise DataError(
                    f"the segments of {recording.name} are gone from {self.store.folder}; run the same command again"
                )
        return tuple(each for each in found if each is not None)

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class of each recording, int64 [R]."""
        return np.array([self.classes.index(each.label) for each in self.recordings], np.int64)

    @cached_property
    def subjects(self) -> npt.NDArray[np.str_]:
        """Subject of each recording, [R]."""
        return np.array([each.subject for each in self.recordings])

    def identity(self, chosen: npt.NDArray[np.bool_]) -> str:
        """Names the content of some recordings, bool [R], and their labels."""
        rows = [(key, each.label) for key, each, take in zip(self.keys, self.recordings, chosen, strict=True) if take]
        return hashlib.sha256(repr((self.classes, rows)).encode()).hexdigest()

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
