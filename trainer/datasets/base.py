"""What every data set gives: its recordings, each with a subject, a label and a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emostream.engines.errors import DataError

__all__ = ["PAPER_LABELS", "DataSet", "Recording"]

PAPER_LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


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
