"""Composites on disk: many are made once, and learnt from several times."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.detectors.finder import STRIDES
from emostream.trainer.finder.composites import Composer, Composite
from emostream.trainer.finder.photos import Part
from emostream.trainer.finder.teacher import Teacher

__all__ = ["MOST_FACES", "SHARD", "SIDE", "Shard", "make_shards", "write_shard"]

SIDE = 256  # pixels of a training picture's side
SHARD = 2048  # pictures
MOST_FACES = 8  # in a training picture
CELLS = sum((SIDE // stride) ** 2 for stride in STRIDES)


@dataclass(frozen=True)
class Shard:
    """Pictures and what is in them.

    Attributes:
        images: uint8 [n, SIDE, SIDE, 3], BGR.
        teacher: uint8 [n, CELLS], YuNet's scores in 1/255.
        faces: float32 [n, MOST_FACES, 15]: box, five points, share seen; seen is -1 where there is no face.
    """

    images: npt.NDArray[np.uint8]
    teacher: npt.NDArray[np.uint8]
    faces: npt.NDArray[np.float32]

    @classmethod
    def open(cls, folder: Path) -> Shard:
        """Map a shard's files into memory."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "teacher", "faces")))


def make_shards(part: Part, folder: Path, teacher: Path, first: int, count: int) -> None:
    """Make shards with numbers from `first` on; those that are there are kept.

    Args:
        part: of the photographs.
        folder: of shards.
        teacher: YuNet's file.
        first: number, which is also the seed.
        count: of shards.
    """
    cv2.setNumThreads(1)
    judge = Teacher(teacher, SIDE)
    for number in range(first, first + count):
        if not (folder / f"{number:04d}").exists():
            composer = Composer(part, 1000 + number)
            write_shard(folder / f"{number:04d}", [composer.training(SIDE) for _ in range(SHARD)], judge)


def write_shard(folder: Path, composites: list[Composite], teacher: Teacher) -> None:
    """Write composites as a shard; the folder has its name only when it is whole."""
    beside = folder.with_name(folder.name + ".part")
    beside.mkdir(parents=True, exist_ok=True)
    faces = np.zeros((len(composites), MOST_FACES, 15), np.float32)
    faces[:, :, 14] = -1
    for row, composite in zip(faces, composites, strict=True):
        for place, (box, points, seen) in enumerate(
            zip(composite.boxes[:MOST_FACES], composite.points, composite.seen, strict=False)
        ):
            row[place] = np.concatenate([box, points.ravel(), [seen]])
    np.save(beside / "images.npy", np.stack([c.image for c in composites]))
    np.save(beside / "teacher.npy", np.stack([teacher.scores(c.image) for c in composites]))
    np.save(beside / "faces.npy", faces)
    os.replace(beside, folder)
