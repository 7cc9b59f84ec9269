from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostream.engines.errors import DataError
from emostream.trainer.datasets.fer2013 import read_still_faces

LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
SPLITS = ("train", "public_test", "private_test")
IMAGES = np.random.default_rng(4).integers(0, 256, (5, 48, 48), dtype=np.uint8)
CODES = (3, 0, 6, 1, 2)
USAGES = ("Training", "Training", "PrivateTest", "PublicTest", "Training")
ARRAYS = {
    "images": IMAGES,
    "labels": np.array(CODES, np.uint8),
    "label_names": np.array(LABELS),
    "split": np.array((0, 0, 2, 1, 0), np.uint8),
    "split_names": np.array(SPLITS),
}
PIXELS = " ".join(["0"] * 48 * 48)


def write_table(path: Path, header: str, order: tuple[int, int, int]) -> Path:
    rows = [header]
    for image, code, usage in zip(IMAGES, CODES, USAGES, strict=True):
        cells = (str(code), " ".join(map(str, image.ravel())), usage)
        rows.append(",".join(cells[at] for at in order))
    path.write_text("\n".join([*rows, ""]))
    return path


def test_the_real_archive(shared: Path) -> None:
    faces = read_still_faces(shared)
    assert faces.images.shape == (35887, 48, 48)
    assert faces.label_names == LABELS
    assert faces.split_names == SPLITS
    assert np.bincount(faces.split).tolist() == [28709, 3589, 3589]
    assert np.bincount(faces.labels)[LABELS.index("disgust")] == 547


@pytest.mark.parametrize(
    ("name", "header", "order"),
    [("fer2013.csv", "emotion,pixels,Usage", (0, 1, 2)), ("icml_face_data.csv", "emotion, Usage, pixels", (0, 2, 1))],
)
def test_the_owners_tables(tmp_path: Path, name: str, header: str, order: tuple[int, int, int]) -> None:
    file = write_table(tmp_path / name, header, order)
    for path in (file, tmp_path):
        faces = read_still_faces(path)
        np.testing.assert_array_equal(faces.images, IMAGES)
        assert faces.images.dtype == faces.labels.dtype == faces.split.dtype == np.uint8
        assert tuple(faces.labels) == CODES
        assert faces.label_names == LABELS
        assert [SPLITS[at] for at in faces.split] == ["train", "train", "private_test", "public_test", "train"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emotion,pixels\n", "has the columns emotion, pixels; expected fer2013.csv or icml_face_data.csv"),
        ("", r"has the columns \(none\)"),
        ("emotion,pixels,Usage\n", "has no faces; fetch it again"),
        ("emotion,pixels,Usage\n0,1 2 3,Training\n", r"row 2: 3 pixels; expected 2304"),
        ("emotion,pixels,Usage\n0,1 2 x,Training\n", r"row 2: pixels that aren't whole numbers from 0 to 255 \(.*x"),
        ("emotion,pixels,Usage\n0,1 256,Training\n", "row 2: pixels that aren't whole numbers"),
        (f"emotion,pixels,Usage\n7,{PIXELS},Training\n", "row 2: emotion '7'; expected 0 to 6"),
        (f"emotion,pixels,Usage\n1,{PIXELS},Test\n", "row 2: usage 'Test'; expected Training, PublicTest"),
        (f"emotion,pixels,Usage\n1,{PIXELS}\n", "can't be read: .*; fetch it again"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_still_faces(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": IMAGES[:, :40]}, r"has images uint8 \[5, 40, 48\]; expected uint8 \[N, 48, 48\]"),
        ({"images": IMAGES.astype(np.float32)}, "has images float32"),
        ({"labels": np.full(5, 7, np.uint8)}, r"has labels that don't fit; expected uint8 \[5\] below 7"),
        ({"split": np.zeros(4, np.uint8)}, r"has split that don't fit; expected uint8 \[5\] below 3"),
        ({"split": None}, "lacks an array: .*split"),
    ],
)
def test_archives_that_cannot_be_used(tmp_path: Path, change: dict[str, object], message: str) -> None:
    arrays = {name: array for name, array in {**ARRAYS, **change}.items() if array is not None}
    np.savez(tmp_path / "faces.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_still_faces(tmp_path)


def test_a_whole_archive_and_a_damaged_one(tmp_path: Path) -> None:
    file = tmp_path / "fer2013.npz"
    np.savez(file, **ARRAYS)
    np.testing.assert_array_equal(read_still_faces(file).images, IMAGES)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"fer2013.npz can't be read: .*; fetch it again"):
        read_still_faces(file)


def test_no_faces_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone doesn't exist; expected fer2013.csv or"):
        read_still_faces(tmp_path / "gone")
    with pytest.raises(DataError, match=r"has no still faces of FER2013; expected fer2013.csv or"):
        read_still_faces(tmp_path)
