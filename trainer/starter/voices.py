"""RAVDESS for the starter: seven classes, and which recordings are calm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostream.trainer.datasets.base import DataSet, ReadOptions
from emostream.trainer.datasets.choose import read_dataset
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.starter.recipe import LABELS

__all__ = ["Voices", "actor_folds", "read_voices"]

_CALM, _CALM_CODE, _NEUTRAL = "calm", "02", "neutral"


@dataclass(frozen=True, eq=False)
class Voices:
    """Recordings of voices.

    Attributes:
        corpus: RAVDESS's recordings.
        calm: bool [R], which RAVDESS calls calm; they count as neutral.
    """

    corpus: Corpus
    calm: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, corpus: Corpus) -> Voices:
        """Those of RAVDESS's segments."""
        calm = [each.path.stem.split("-")[2:3] == [_CALM_CODE] for each in corpus.recordings]
        return cls(corpus, np.array(calm))


def read_voices(root: Path) -> DataSet:
    """RAVDESS's speech in the starter's seven classes.

    Raises:
        DataError: the folder isn't RAVDESS's.
    """
    return read_dataset("ravdess", root, ReadOptions(labels=LABELS, merge={_CALM: _NEUTRAL}, modality="audio"))


def actor_folds(voices: Voices, groups: int) -> tuple[Fold, ...]:
    """Groups of RAVDESS's actors in the order of their numbers, 1 to 4, 5 to 8 and so on, to be left out in turn."""
    actors = np.unique(voices.corpus.subjects)
    parts = np.array_split(actors, min(groups, len(actors)))
    return tuple(Fold(f"actors-{part[0][-2:]}-{part[-1][-2:]}", tuple(part.tolist())) for part in parts)
