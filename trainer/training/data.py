"""Segments as a network takes them, one after another, each with its recording's label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from emostream.engines.frontend.logmel import mel_input
from emostream.trainer.segments.store import SEGMENT_WINDOW, Segments, Window
from emostream.trainer.training.sounds import varied_samples

__all__ = ["ClipSegments", "Examples", "MelSegments", "PairSegments", "Rows", "Which", "face_rows", "voice_rows"]

Which = Literal["all", "voiced"]
Example = tuple[tuple[Tensor, ...], Tensor]
Ints = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """Which segments: recording and place in it, both int64 [n], in order."""

    recording: Ints
    segment: Ints

    @classmethod
    def of(cls, present: Sequence[npt.NDArray[np.bool_]]) -> Rows:
        """The segments that are present, bool [S] for each recording."""
        places = [np.flatnonzero(flags) for flags in present]
        counts = [each.size for each in places]
        return cls(np.repeat(np.arange(len(places)), counts), np.concatenate([*places, np.zeros(0, np.int64)]))

    def only(self, chosen: npt.NDArray[np.bool_] | slice) -> Rows:
        """Some of the rows, bool [n] or a slice."""
        return Rows(self.recording[chosen], self.segment[chosen])

    def of_recordings(self, recordings: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which rows belong to some of the recordings, bool [R]: bool [n]."""
        return np.asarray(recordings[self.recording])


def voice_rows(recordings: Sequence[Segments], which: Which) -> Rows:
    """The segments whose sound serves: all that arrived, as in the paper, or the voiced ones, as in the streamer."""
    return Rows.of([each.arrived if which == "all" else each.voiced for each in recordings])


def face_rows(recordings: Sequence[Segments]) -> Rows:
    """The segments with a face."""
    return Rows.of([each.faces for each in recordings])


class Examples(Dataset[Example]):
    """Inputs of a network with the class of their recording.

    Attributes:
        rows: which segments.
        labels: class of each row's recording, int64 [n].
        seed: of what is varied at random.
        epoch: which pass over the examples this is; together with `seed` and the row it decides what is varied.
    """

    seed = 0
    epoch = 0

    def __init__(self, rows: Rows, labels: Ints) -> None:
        """Take the rows, and the class of each recording, int64 [R]."""
        self.rows = rows
        self.labels: Ints = labels[rows.recording]

    def __len__(self) -> int:
        return int(self.labels.size)

    def __getitem__(self, index: int) -> Example:
        return self.inputs(index), torch.tensor(self.labels[index])

    def inputs(self, index: int) -> tuple[Tensor, ...]:
        """The network's inputs of one row, without a batch axis."""
        raise NotImplementedError

    def rng(self, index: int) -> np.random.Generator:
        """What varies one row in this epoch."""
        return np.random.default_rng((self.seed, self.epoch, index))


class MelSegments(Examples):
    """Audio windows, float32 [3, 64, frames]."""

    def __init__(
        self,
        recordings: Sequence[Segments],
        rows: Rows,
        labels: Ints,
        window: Window = SEGMENT_WINDOW,
        *,
        varied: bool = False,
    ) -> None:
        """Take recordings, rows of windows, and the class of each recording; no epoch hears `varied` ones alike."""
        super().__init__(rows, labels)
        self._recordings, self._window, self._varied = recordings, window, varied

    def inputs(self, index: int) -> tuple[Tensor, ...]:
        """See `Examples`."""
        recording, place = self._recordings[self.rows.recording[index]], int(self.rows.segment[index])
        if self._varied and self._window == SEGMENT_WINDOW:
            return (torch.from_numpy(mel_input(varied_samples(recording.samples, place, self.rng(index)))),)
        return (torch.from_numpy(recording.mel(place, self._window)),)


class ClipSegments(Examples):
    """Face clips, uint8 [16, 150, 110, 3]."""

    def __init__(self, recordings: Sequence[Segments], rows: Rows, labels: Ints) -> None:
        """Take recordings, rows of segments with a face, and the class of each recording."""
        super().__init__(rows, labels)
        self._recordings = recordings

    def inputs(self, index: int) -> tuple[Tensor, ...]:
        """See `Examples`."""
        recording, place = self.rows.recording[index], int(self.rows.segment[index])
        return (torch.from_numpy(self._recordings[recording].clip(place)),)


class PairSegments(Examples):
    """Embeddings of segments with voice and face, float32 [A] and [V]."""

    def __init__(self, audio: Tensor, video: Tensor, rows: Rows, labels: Ints) -> None:
        """Take embeddings [n, A] and [n, V] of the rows, and the class of each recording."""
        super().__init__(rows, labels)
        self.audio, self.video = audio, video

    def inputs(self, index: int) -> tuple[Tensor, ...]:
        """See `Examples`."""
        return self.audio[index], self.video[index]
