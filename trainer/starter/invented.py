"""Invented people in the starter's training, so that it also knows the person that emostream draws for a demo."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from engines.frontend.crop import LEFT_EYE, RIGHT_EYE
from engines.frontend.settings import CROP_HEIGHT, CROP_WIDTH
from trainer.actors.clip import Line, write_clip
from trainer.datasets.base import DataSet, Recording
from trainer.processes import each_in_processes
from trainer.segments.corpus import Corpus
from trainer.starter.recipe import LABELS
from trainer.stills.pictures import Picture
from trainer.training.files import writing

__all__ = ["invent", "invented_pictures"]

_FIRST_ACTOR = 7_000_000  # far from those that `act` and `actors` draw
_SIZE = (320, 240)
_PAUSE_S, _SPOKEN_S = 0.2, 2.2
_SMALLER = 3  # a crop has about three times the detail of FER2013
_EVERY = 2  # segments


def invent(folder: Path, actors: int, jobs: int) -> DataSet:
    """Draw and voice recordings of invented people, one after another in each emotion; go on where a call stopped.

    Args:
        folder: of the files; made if missing.
        actors: people; each has a recording of each of the labels.
        jobs: processes.

    Raises:
        TrainingError: a file can't be written.
    """
    recordings = [
        Recording(f"{actor}-{label}.mp4", f"invented-{actor}", label, folder / f"{actor}-{label}.mp4")
        for actor in range(_FIRST_ACTOR, _FIRST_ACTOR + actors)
        for label in LABELS
    ]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        missing = [each for each in recordings if not each.path.is_file()]
        for outcome in each_in_processes(_play, missing, jobs=jobs, name=lambda recording: recording.name):
            if outcome.error is not None:
                raise outcome.error
    return DataSet("invented", LABELS, tuple(sorted(recordings)), "subjects", {})


def invented_pictures(corpus: Corpus) -> tuple[list[Picture], npt.NDArray[np.int64]]:
    """Faces of recordings of invented people as pictures of FER2013's detail, and the class of each, int64 [N]."""
    pictures, labels = [], []
    size = (round(CROP_WIDTH / _SMALLER), round(CROP_HEIGHT / _SMALLER))
    across, down = size[0] / CROP_WIDTH, size[1] / CROP_HEIGHT
    (lx, ly), (rx, ry) = (((x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5) for x, y in (LEFT_EYE, RIGHT_EYE))
    for segments, label in zip(corpus.segments, corpus.labels.tolist(), strict=True):
        for index in np.flatnonzero(segments.faces)[::_EVERY].tolist():
            crop = cv2.cvtColor(segments.clip(index)[0], cv2.COLOR_RGB2GRAY)
            small = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
            pictures.append(Picture(small, ((lx, ly), (rx, ry)), seen=True))
            labels.append(label)
    return pictures, np.array(labels, np.int64)


def _play(recording: Recording) -> None:
    actor, label = recording.path.stem.split("-")
    script = [Line("neutral", _PAUSE_S, speaking=False), Line(label, _SPOKEN_S), Line(label, _PAUSE_S, speaking=False)]
    beside = recording.path.with_name(f".{recording.path.name}.part.mp4")
    write_clip(beside, actor=int(actor), script=script, size=_SIZE)
    beside.replace(recording.path)
