"""What every data set gives: recordings with a subject, a label and a file; the names of labels; which are wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from emostream.engines.errors import ConfigError, DataError

__all__ = ["LABEL_NAME", "PAPER_LABELS", "DataSet", "Modality", "ReadOptions", "Recording", "emotion_of"]

PAPER_LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")

_WORDS = {
    "anger": ("angry",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid"),
    "joy": ("joyful", "happy", "happiness"),
    "sadness": ("sad",),
    "surprise": ("surprised",),
    "neutral": (),
    "calm": (),
    "boredom": ("bored",),
    "bothered": (),
    "concentrating": (),
    "contempt": (),
    "interest": ("interested",),
    "thinking": (),
    "unsure": (),
}
_EMOTIONS = {word: emotion for emotion, words in _WORDS.items() for word in (emotion, *words)}

Modality = Literal["audio", "video", "both"]
LABEL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what a bundle takes as a label


@dataclass(frozen=True, order=True)
class Recording:
    """One recording: a spoken turn of one person with one emotion.

    Attributes:
        name: path of its file below the data set's folder, with forward slashes; unique, and what reports print.
        subject: who speaks, unique within the data set.
        label: the emotion.
        path: the file with its sound, its pictures, or both.
    """

    name: str
    subject: str
    label: str
    path: Path


@dataclass(frozen=True)
class DataSet:
    """The recordings of one data set.

    Attributes:
        name: of the data set, as `--dataset` takes it.
        labels: the classes, in the order of every array with a class axis.
        recordings: sorted by name.
        protocol: folds of the paper: one subject each, or five groups of subjects.
        left_out: why recordings of the folder are not among them ("other emotions", ...), and how many.

    Raises:
        DataError: there are no recordings, or a label that is none of `labels`.
    """

    name: str
    labels: tuple[str, ...]
    recordings: tuple[Recording, ...]
    protocol: Literal["subjects", "five-groups"]
    left_out: dict[str, int]

    def __post_init__(self) -> None:
        if not self.recordings:
            raise DataError(f"data set {self.name} has no recordings; check the folder and its layout")
        for recording in self.recordings:
            if recording.label not in self.labels:
                raise DataError(
                    f"{recording.name} of data set {self.name} has the label {recording.label!r}; "
                    f"expected one of {', '.join(self.labels)}"
                )

    @property
    def subjects(self) -> tuple[str, ...]:
        """The different subjects, sorted."""
        return tuple(sorted({recording.subject for recording in self.recordings}))


def emotion_of(word: str) -> str | None:
    """The emotion that a word names, in any case; None for a word that names none."""
    return _EMOTIONS.get(word.strip().lower())


@dataclass(frozen=True)
class ReadOptions:
    """How a data set is read.

    Attributes:
        labels: the classes to keep, in the order of every class axis; None for those of the paper's six that the
            data set knows, or for all of a data set that is described by a table.
        merge: classes that are taken for another one before `labels` are chosen, such as {"calm": "neutral"}.
        modality: which files to read where the owners ship several of each recording (RAVDESS, CREMA-D, SAVEE).
            RAVDESS's "video" has no sound, the others' files with pictures have.

    Raises:
        ConfigError: fewer than two labels, one of them twice, a name that is none, or a chain in `merge`.
    """

    labels: tuple[str, ...] | None = None
    merge: Mapping[str, str] = field(default_factory=dict)
    modality: Modality = "both"

    def __post_init__(self) -> None:
        if self.modality not in get_args(Modality):
            raise ConfigError(f"modality {self.modality!r} is unknown; choose {', '.join(get_args(Modality))}")
        if self.labels is not None and (len(self.labels) < 2 or len(set(self.labels)) < len(self.labels)):
            raise ConfigError(
                f"labels {', '.join(self.labels) or '(none)'} can't be told apart; give two or more, each once"
            )
        for label in (*(self.labels or ()), *self.merge.values()):
            if not LABEL_NAME.fullmatch(label):
                raise ConfigError(f"label {label!r} is no name; give 1 to 64 letters, digits, _ and -")
        for label, target in self.merge.items():
            if target in self.merge:
                raise ConfigError(
                    f"{label} can't be merged into {target}, which is itself merged into {self.merge[target]}; "
                    f"merge both into {self.merge[target]}"
                )
