"""The finder's training: data that stay apart, and a small one from beginning to end, killed and continued."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from emostream.engines.errors import DataError
from emostream.engines.frontend.detectors.finder import FINDER_FILES, FaceFinder
from emostream.trainer.finder import build, photos, shards
from emostream.trainer.finder.build import FinderRecipe, build_finder
from emostream.trainer.finder.composites import Composer, Placement
from emostream.trainer.finder.network import FinderNetwork, Widths
from emostream.trainer.finder.photos import Photos
from tests.trainer.finder.drawn import BACKGROUNDS, PEOPLE, STAMPS, write_photos

SMALL = FinderRecipe(
    shards=1,
    steps=6,
    mined_at=(3,),
    looked_at=32,
    kept=8,
    crops=64,
    crops_from=1,
    points_steps=3,
    faceless=6,
    scenes=2,
    widths=Widths(4, 8, (8, 12, 16), (1, 1, 1, 1), 8),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people."""
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder)
    return folder


def test_nobody_is_in_two_parts(folder: Path) -> None:
    parts = {name: Photos(folder).part(name) for name in ("train", "validation", "held_out")}
    images = {name: [each.image.tobytes() for each in part.faces] for name, part in parts.items()}
    assert sum(map(len, images.values())) == 2 * PEOPLE
    assert len(set.union(*(set(each) for each in images.values()))) == 2 * PEOPLE
    assert all(images.values())
    backgrounds = {name: {each.tobytes() for each in part.backgrounds} for name, part in parts.items()}
    assert sum(map(len, backgrounds.values())) == len(set.union(*backgrounds.values())) == BACKGROUNDS
    assert [bool(part.small_faces) for part in parts.values()] == [True, False, False]


def test_test_pictures_and_their_copies_are_never_learnt_from(folder: Path) -> None:
    with np.load(folder / "fer2013.npz") as file:
        images, split = file["images"], file["split"]
    learnt = {each.image[:, :, 0].tobytes() for each in Photos(folder).part("train").small_faces}
    assert len(learnt) == STAMPS - 6 - 1
    assert not learnt & {each.tobytes() for each in images[split != 0]}
    near = np.clip(images[-1:].astype(int) + np.random.default_rng(2).integers(-1, 2, (1, 48, 48)), 0, 255)
    assert photos._copies(near.astype(np.uint8), images[-3:]).tolist() == [True]


def test_labels_move_with_the_face(folder: Path) -> None:
    """The eyes of a pasted face are dark where its label says, at any turn."""
    composer = Composer(Photos(folder).part("train"), 5)
    for roll in (0.0, 30.0, -60.0):
        scene = composer.scene(240, 320, [Placement((160.0, 120.0), 90.0, roll)])
        (box,), (points,) = scene.boxes, scene.points
        assert (np.abs(box[:2] + box[2:] / 2 - (160, 120)) < 4).all()
        grey = cv2.cvtColor(scene.image, cv2.COLOR_BGR2GRAY).astype(float)
        eyes = [grey[round(float(y)), round(float(x))] for x, y in points[:2]]
        nose = grey[round(float(points[2, 1])), round(float(points[2, 0]))]
        assert max(eyes) < nose
        angle = np.degrees(np.arctan2(*(points[1] - points[0])[::-1]))
        assert angle == pytest.approx(roll, abs=3.0)


@pytest.fixture
def teacher(shared: Path) -> Path:
    return shared / "face_detection_yunet_2023mar.onnx"


def test_from_beginning_to_end_and_on_where_it_was_killed(
    folder: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD", 48)
    out = tmp_path / "finder"
    with monkeypatch.context() as patched:
        patched.setattr(build, "mine", lambda *_: 1 / 0)  # it dies after three steps
        with pytest.raises(ZeroDivisionError):
            build_finder(folder, out, teacher, recipe=SMALL, threads=1)
    (made,) = (out / "work" / "shards").iterdir()
    before = (made / "images.npy").stat().st_mtime_ns
    found = build_finder(folder, out, teacher, recipe=SMALL, threads=1)
    assert (made / "images.npy").stat().st_mtime_ns == before
    assert set(found) == {"threshold", "false", "recall"}
    assert {each.name for each in out.iterdir()} == {*FINDER_FILES, "work"}
    finder = FaceFinder.load(out)
    assert isinstance(finder.search(np.zeros((120, 160, 3), np.uint8)), list)
    again = build_finder(folder, out, teacher, recipe=SMALL, threads=1)  # nothing is left to do
    assert again == found


def test_the_network_is_small_enough() -> None:
    """400 kB in FP16 are allowed for both networks."""
    from emostream.trainer.finder.points import PointsNetwork

    networks = (FinderNetwork(FinderRecipe().widths), PointsNetwork())
    assert 2 * sum(weight.numel() for each in networks for weight in each.parameters()) < 400_000


def test_a_folder_without_photographs_is_one_line(folder: Path, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no faces_in_photos/yunet\.npz; expected a folder with faces_in_photos"):
        build_finder(tmp_path, tmp_path / "out", teacher, recipe=replace(SMALL, steps=1), threads=1)
    assert not (tmp_path / "out").exists()
