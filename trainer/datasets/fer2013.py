"""FER2013: still faces from the web, 48 x 48 pixels, grey (Goodfellow et al., ICML workshops 2013).

Faces of no known person and without a voice: they may pre-train a network, and are no data set of recordings.
"""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emostream.engines.errors import DataError

__all__ = ["SIDE", "StillFaces", "find_still_faces", "read_still_faces"]

SIDE = 48  # pixels
_LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")  # in the order of the owners' codes
_USAGES = {"Training": 0, "PublicTest": 1, "PrivateTest": 2}
_SPLITS = ("train", "public_test", "private_test")
_TABLES = ("fer2013.csv", "icml_face_data.csv")
_EXPECTED = f"{_TABLES[0]} or {_TABLES[1]} with the columns emotion, pixels, Usage, or fer2013.npz"


@dataclass(frozen=True, eq=False)
class StillFaces:
    """Still pictures of faces, cropped to the face's box.

    Attributes:
        images: uint8 [N, 48, 48], grey.
        labels: uint8 [N], indices into `label_names`.
        label_names: the emotions.
        split: uint8 [N], indices into `split_names`. The owners' splits share pictures: 288 of the private test's are
            byte for byte among the training's.
        split_names: the owners' splits.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    label_names: tuple[str, ...]
    split: NDArray[np.uint8]
    split_names: tuple[str, ...]


def read_still_faces(path: Path) -> StillFaces:
    """Read FER2013.

    Args:
        path: the owners' `fer2013.csv` or `icml_face_data.csv`, or an .npz archive with `images`, `labels`,
            `label_names`, `split` and `split_names`, or a folder with one of them.

    Raises:
        DataError: none of them, or one that is damaged or of other shapes.
    """
    file = find_still_faces(path)
    if file.suffix.lower() == ".npz":
        return _from_archive(file)
    return _from_table(file)


def find_still_faces(path: Path) -> Path:
    """The file of FER2013 that a path names, or that a folder holds.

    Raises:
        DataError: there is none.
    """
    if path.is_dir():
        for file in (*(path / name for name in _TABLES), *sorted(path.glob("*.npz"))):
            if file.is_file():
                return file
        raise DataError(f"{path} has no still faces of FER2013; expected {_EXPECTED}")
    if not path.is_file():
        raise DataError(f"{path} doesn't exist; expected {_EXPECTED}")
    return path


def _from_archive(file: Path) -> StillFaces:
    try:
        with np.load(file, allow_pickle=False) as archive:
            faces = StillFaces(
                archive["images"],
                archive["labels"],
                tuple(map(str, archive["label_names"])),
                archive["split"],
                tuple(map(str, archive["split_names"])),
            )
    except KeyError as error:
        raise DataError(f"{file} lacks an array: {error.args[0]}; expected {_EXPECTED}") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} can't be read: {error}; fetch it again") from error
    n = len(faces.images)
    if faces.images.shape != (n, SIDE, SIDE) or faces.images.dtype != np.uint8:
        raise DataError(
            f"{file} has images {faces.images.dtype} {list(faces.images.shape)}; expected uint8 [N, {SIDE}, {SIDE}]"
        )
    for name, indices, names in (
        ("labels", faces.labels, faces.label_names),
        ("split", faces.split, faces.split_names),
    ):
        if indices.shape != (n,) or indices.dtype != np.uint8 or (n and indices.max() >= len(names)):
            raise DataError(f"{file} has {name} that don't fit; expected uint8 [{n}] below {len(names)}")
    return faces


def _from_table(file: Path) -> StillFaces:
    images, labels, split = bytearray(), bytearray(), bytearray()
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            rows = csv.reader(text)
            header = [title.strip().lower() for title in next(rows, [])]
            if not {"emotion", "pixels", "usage"} <= set(header):
                raise DataError(f"{file} has the columns {', '.join(header) or '(none)'}; expected {_EXPECTED}")
            columns = [header.index(title) for title in ("emotion", "pixels", "usage")]
            for row in rows:
                image, label, usage = _face(f"{file}, row {rows.line_num}", *(row[at] for at in columns))
                images += image
                labels.append(label)
                split.append(usage)
    except (OSError, UnicodeDecodeError, csv.Error, IndexError) as error:
        raise DataError(f"{file} can't be read: {error}; fetch it again") from error
    if not labels:
        raise DataError(f"{file} has no faces; fetch it again")
    return StillFaces(
        np.frombuffer(images, np.uint8).reshape(-1, SIDE, SIDE),
        np.frombuffer(labels, np.uint8),
        _LABELS,
        np.frombuffer(split, np.uint8),
        _SPLITS,
    )


def _face(where: str, emotion: str, pixels: str, usage: str) -> tuple[bytes, int, int]:
    """One row as its picture, its label and its split."""
    try:
        image = bytes(map(int, pixels.split()))
    except ValueError as error:
        raise DataError(f"{where}: pixels that aren't whole numbers from 0 to 255 ({error}); fetch it again") from None
    if len(image) != SIDE * SIDE:
        raise DataError(f"{where}: {len(image)} pixels; expected {SIDE * SIDE}, fetch it again")
    if not emotion.strip().isdecimal() or int(emotion) >= len(_LABELS):
        raise DataError(f"{where}: emotion {emotion!r}; expected 0 to {len(_LABELS) - 1}")
    if usage.strip() not in _USAGES:
        raise DataError(f"{where}: usage {usage!r}; expected {', '.join(_USAGES)}")
    return image, int(emotion), _USAGES[usage.strip()]
