"""Photographs with and without faces, labelled by YuNet, and their parts for training, validation and measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.detectors.base import Points
from emostream.engines.frontend.picture import Image

__all__ = ["FacePicture", "Part", "Photos"]

_SEED = 20
_HELD_OUT_PEOPLE = 0.15
_HELD_OUT_BACKGROUNDS = 0.2
_VALIDATION_PEOPLE = 0.06
_VALIDATION_BACKGROUNDS = 0.08
_COPY = 0.99  # cosine of two FER2013 pictures without their means, from which they are copies
_LEAST_SCORE = 0.7  # of the teacher, in the middle of the picture: below, its label is doubtful


@dataclass(frozen=True)
class FacePicture:
    """A picture that a face fills, and where that face is.

    Attributes:
        image: uint8 [height, width, 3], BGR.
        box: float32 [4]: x, y, width, height in pixels of the picture.
        points: float32 [5, 2].
        alone: no second face is in the picture.
    """

    image: Image
    box: npt.NDArray[np.float32]
    points: Points
    alone: bool


@dataclass(frozen=True)
class Part:
    """Pictures of one part of the data: `train`, `validation` or `held_out`; no person or background is in two."""

    faces: list[FacePicture]  # from press photographs, 160 pixels wide
    small_faces: list[FacePicture]  # from FER2013's training split, 48 pixels wide; only for training
    backgrounds: list[Image]


@dataclass(frozen=True)
class Photos:
    """A folder of photographs: `faces_in_photos`, `no_faces`, `fer2013.npz` and `ferplus/fer2013_yunet.npz`."""

    folder: Path

    def part(self, name: str) -> Part:
        """Read one part.

        Args:
            name: `train`, `validation` or `held_out`.
        """
        return Part(self._faces(name), self._small_faces() if name == "train" else [], self._backgrounds(name))

    def _faces(self, name: str) -> list[FacePicture]:
        folder = self.folder / "faces_in_photos"
        with np.load(folder / "yunet.npz") as file:
            rows, person = file["rows"], file["person"]
        chosen = _assigned(int(person.max()) + 1, _HELD_OUT_PEOPLE, _VALIDATION_PEOPLE)
        pictures = []
        for index in range(len(person)):
            mine = rows[rows[:, 0] == index]
            if chosen[person[index]] != name or not len(mine):
                continue
            row = mine[np.argmax(mine[:, 3] * mine[:, 4])]
            if row[15] >= _LEAST_SCORE:
                image = _read(folder / f"{index:04d}.jpg")
                pictures.append(FacePicture(image, row[1:5].copy(), row[5:15].reshape(5, 2).copy(), len(mine) == 1))
        return pictures

    def _small_faces(self) -> list[FacePicture]:
        """Faces of FER2013's training split, without copies of pictures of its test splits."""
        with np.load(self.folder / "fer2013.npz") as file:
            images, split = file["images"], file["split"]
        with np.load(self.folder / "ferplus" / "fer2013_yunet.npz") as file:
            rows = file["faces"].astype(np.float32)
        allowed = np.flatnonzero((split == 0) & np.isfinite(rows).all(axis=1) & (rows[:, 14] >= _LEAST_SCORE))
        allowed = allowed[~_copies(images[allowed], images[split != 0])]
        return [
            FacePicture(cv2.merge([images[i]] * 3), rows[i, :4], rows[i, 4:14].reshape(5, 2), True) for i in allowed
        ]

    def _backgrounds(self, name: str) -> list[Image]:
        files = sorted((self.folder / "no_faces").glob("*.jpg"))
        chosen = _assigned(len(files), _HELD_OUT_BACKGROUNDS, _VALIDATION_BACKGROUNDS)
        return [_read(file) for file, part in zip(files, chosen, strict=True) if part == name]


def _assigned(count: int, held_out: float, validation: float) -> npt.NDArray[np.str_]:
    """The part of each of `count` people or pictures, chosen by a fixed seed."""
    order = np.random.default_rng(_SEED).permutation(count)
    first, second = round(held_out * count), round((held_out + validation) * count)
    parts = np.full(count, "train", dtype="<U10")
    parts[order[:first]] = "held_out"
    parts[order[first:second]] = "validation"
    return parts


def _copies(images: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which of the images [n, 48, 48] are copies, or nearly, of one of the others."""
    theirs = _normed(others).T
    found = [(_normed(images[i : i + 1024]) @ theirs).max(axis=1) > _COPY for i in range(0, len(images), 1024)]
    return np.concatenate(found)


def _normed(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    normed: npt.NDArray[np.float32] = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)
    return normed


def _read(file: Path) -> Image:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{file} is no picture that OpenCV reads")
    return np.asarray(image, dtype=np.uint8)
