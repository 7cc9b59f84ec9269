"""FER2013 for the starter: each picture with its eyes, training pictures cleared of those that are tested on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostream.engines.archive import sha256_of
from emostream.engines.errors import DataError
from emostream.trainer.cores import usable_cores
from emostream.trainer.datasets.fer2013 import StillFaces, find_still_faces, read_still_faces
from emostream.trainer.starter.cached import cached
from emostream.trainer.starter.recipe import LABELS
from emostream.trainer.stills.copies import copies_among
from emostream.trainer.stills.pictures import Picture, find_eyes

__all__ = ["Faces", "Split", "check_faces", "read_faces"]

_SPLITS = ("train", "public_test", "private_test")


@dataclass(frozen=True, eq=False)
class Split:
    """The pictures of one split.

    Attributes:
        pictures: N of them.
        labels: int64 [N], indices into `LABELS`.
        copies: bool [N], whether a picture is also in another split.
    """

    pictures: tuple[Picture, ...]
    labels: npt.NDArray[np.int64]
    copies: npt.NDArray[np.bool_]

    def only(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Split:
        """Some of them, bool [N] or int64 [n]."""
        places = np.arange(len(self.pictures))[chosen]
        return Split(tuple(self.pictures[place] for place in places), self.labels[chosen], self.copies[chosen])


@dataclass(frozen=True, eq=False)
class Faces:
    """FER2013.

    Attributes:
        train: without copies of tested pictures.
        public: the public test split, which probabilities are calibrated on.
        private: the private test split, which is measured.
        dropped: training pictures that were copies.
        sha256: of the file.
    """

    train: Split
    public: Split
    private: Split
    dropped: int
    sha256: str


def check_faces(path: Path) -> StillFaces:
    """FER2013, with every label in every split.

    Raises:
        DataError: it can't be read, or lacks something, or has labels that it shouldn't.
    """
    found = read_still_faces(path)
    if set(found.label_names) != set(LABELS):
        raise DataError(
            f"{path} has the labels {', '.join(found.label_names)}; expected FER2013 with {', '.join(LABELS)}"
        )
    for split in _SPLITS:
        own = found.labels[found.split == found.split_names.index(split)] if split in found.split_names else []
        there = {found.label_names[label] for label in np.unique(own)}
        if missing := [label for label in LABELS if label not in there]:
            raise DataError(
                f"{path} has no {', '.join(missing)} in its split {split}; the starter needs all of FER2013"
            )
    return found


def read_faces(path: Path, place: Path) -> Faces:
    """Read FER2013, look for the eyes, and mark what is there twice.

    Args:
        path: as `read_still_faces` takes it.
        place: folder that what takes long is kept in.

    Raises:
        DataError: see `check_faces`.
    """
    found, digest = check_faces(path), sha256_of(find_still_faces(path))
    made = cached(place / "faces.npz", f"eyes and copies of {digest}", lambda: _looked_at(found))
    pictures = [
        Picture(image, ((lx, ly), (rx, ry)), bool(seen))
        for image, (lx, ly, rx, ry), seen in zip(found.images, made["points"].tolist(), made["seen"], strict=True)
    ]
    labels = np.array([LABELS.index(name) for name in found.label_names])[found.labels]
    splits = []
    for name in _SPLITS:
        chosen = np.flatnonzero(found.split == found.split_names.index(name))
        splits.append(Split(tuple(pictures[at] for at in chosen), labels[chosen], made["copies"][chosen]))
    train, public, private = splits
    return Faces(train.only(~train.copies), public, private, int(train.copies.sum()), digest)


def _looked_at(found: StillFaces) -> dict[str, npt.NDArray[np.generic]]:
    """Places of the eyes [N, 4], whether they were found [N], and which pictures are copies of another split's [N]."""
    pictures = find_eyes(found.images, usable_cores())
    copies = np.zeros(len(found.split), bool)
    for split in np.unique(found.split):
        own = found.split == split
        copies[own] = copies_among(found.images[own], found.images[~own])
    return {
        "points": np.array([[*picture.eyes[0], *picture.eyes[1]] for picture in pictures], np.float64).reshape(-1, 4),
        "seen": np.array([picture.seen for picture in pictures], bool),
        "copies": copies,
    }
