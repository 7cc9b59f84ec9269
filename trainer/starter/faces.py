"""FER2013 for the starter: each picture with its eyes, training pictures cleared of those that are tested on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines.archive import sha256_of
from engines.errors import DataError
from trainer.datasets.fer2013 import StillFaces, find_still_faces, read_still_faces
from trainer.starter.kept import kept
from trainer.starter.recipe import LABELS
from trainer.stills.copies import copies_among
from trainer.stills.pictures import Picture, find_eyes

__all__ = ["Faces", "Split", "read_faces"]

_SPLITS = ("train", "public_test", "private_test")


@dataclass(frozen=True, eq=False)
class Split:
    """The pictures of one split.

    Attributes:
        pictures: N of them.
        labels: int64 [N], indices into `LABELS`.
        copies: bool [N], whether a picture is also in another split: of the training's, in either test split, of a test
            split's, in the training's.
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


def read_faces(path: Path, place: Path, jobs: int) -> Faces:
    """Read FER2013, look for the eyes, and mark what is there twice.

    Args:
        path: as `read_still_faces` takes it.
        place: folder that the places of the eyes are kept in.
        jobs: processes.

    Raises:
        DataError: it can't be read, or lacks a label or a split.
    """
    file = find_still_faces(path)
    found, digest = read_still_faces(file), sha256_of(file)
    _check(file, found)
    eyes = kept(place / "eyes.npz", f"eyes of {digest}", lambda: _eyes(find_eyes(found.images, jobs)))
    pictures = [
        Picture(image, ((lx, ly), (rx, ry)), bool(seen))
        for image, (lx, ly, rx, ry), seen in zip(found.images, eyes["points"].tolist(), eyes["seen"], strict=True)
    ]
    labels = np.array([LABELS.index(name) for name in found.label_names])[found.labels]
    of = {name: found.split == found.split_names.index(name) for name in _SPLITS}
    splits = {}
    for name, chosen in of.items():
        others = ~of["train"] if name == "train" else of["train"]
        copies = copies_among(found.images[chosen], found.images[others])
        splits[name] = Split(tuple(pictures[at] for at in np.flatnonzero(chosen)), labels[chosen], copies)
    train = splits["train"]
    return Faces(
        train.only(~train.copies), splits["public_test"], splits["private_test"], int(train.copies.sum()), digest
    )


def _eyes(pictures: list[Picture]) -> dict[str, npt.NDArray[np.generic]]:
    return {
        "points": np.array([[*picture.eyes[0], *picture.eyes[1]] for picture in pictures], np.float64).reshape(-1, 4),
        "seen": np.array([picture.seen for picture in pictures], bool),
    }


def _check(file: Path, found: StillFaces) -> None:
    for what, have, expected in (("labels", found.label_names, LABELS), ("splits", found.split_names, _SPLITS)):
        if missing := sorted(set(expected) - set(have)):
            raise DataError(f"{file} lacks the {what} {', '.join(missing)}; the starter needs all of FER2013")
