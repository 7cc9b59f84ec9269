"""What the starter is made from: faces without copies, voices by actor, kept arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostream.engines.errors import DataError
from emostream.trainer.starter.cached import cached
from emostream.trainer.starter.faces import check_faces, read_faces
from emostream.trainer.starter.voices import actor_folds, read_voices
from emostream.trainer.stills.copies import copies_among
from tests.trainer.starter.test_build import ACTORS, voices, write_faces


def test_copies_are_found_though_encoded_anew() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(40, 200, (5000, 12, 12), np.uint8)
    others = np.stack([images[7], np.clip(images[4321] * 0.8 + rng.normal(0, 2, (12, 12)), 0, 255).astype(np.uint8)])
    assert np.flatnonzero(copies_among(images, others)).tolist() == [7, 4321]
    flat = np.full((2, 12, 12), 90, np.uint8)
    assert copies_among(flat, flat).all()
    assert not copies_among(flat, flat + 1).any()
    assert not copies_among(images, images[:0]).any()
    assert copies_among(images[:0], others).shape == (0,)


def test_no_tested_face_is_trained_on(tmp_path: Path) -> None:
    faces = read_faces(write_faces(tmp_path / "fer2013.npz"), tmp_path)
    assert faces.dropped == 1
    assert (len(faces.train.pictures), len(faces.public.pictures), len(faces.private.pictures)) == (27, 14, 14)
    assert faces.private.copies.sum() == 1
    trained = np.stack([picture.image for picture in faces.train.pictures])
    for split in (faces.public, faces.private):
        tested = np.stack([picture.image for picture in split.pictures])
        assert not copies_among(trained, tested).any()
    assert (tmp_path / "faces.npz").is_file()


def test_a_set_of_faces_without_a_split_is_refused(tmp_path: Path) -> None:
    file = write_faces(tmp_path / "fer2013.npz")
    with np.load(file) as arrays:
        changed = dict(arrays) | {"split_names": np.array(["train", "public_test", "secret_test"])}
    np.savez(file, **changed)
    with pytest.raises(DataError, match=r"has no anger, disgust, .* in its split private_test"):
        read_faces(file, tmp_path)


def test_actors_are_left_out_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    heard = voices(tmp_path)
    folds = actor_folds(heard, 2)
    assert [fold.held_out for fold in folds] == [ACTORS[:2], ACTORS[2:]]
    assert [fold.name for fold in folds] == ["actors-01-02", "actors-03-04"]
    assert not heard.calm.any()


def test_ravdess_has_seven_classes_with_calm_among_the_neutral(shared: Path) -> None:
    found = read_voices(shared / "ravdess_speech")
    assert len(found.recordings) == 1439
    assert sum(each.label == "neutral" for each in found.recordings) == 96 + 192


def test_kept_arrays_are_made_once_for_each_identity(tmp_path: Path) -> None:
    calls = []

    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"a": np.arange(len(calls))}

    file = tmp_path / "deep" / "kept.npz"
    assert cached(file, "one", make)["a"].tolist() == [0]
    assert set(cached(file, "one", make)) == {"a"}
    assert len(calls) == 1
    assert cached(file, "two", make)["a"].tolist() == [0, 1]
    file.write_bytes(file.read_bytes()[:100])
    assert cached(file, "two", make)["a"].tolist() == [0, 1, 2]


def test_faces_without_a_label_in_a_split_are_refused(tmp_path: Path) -> None:
    file = write_faces(tmp_path / "fer2013.npz")
    with np.load(file) as arrays:
        kept_rows = (arrays["labels"] != 3) | (arrays["split"] != 1)
        rows = {name: arrays[name][kept_rows] for name in ("images", "labels", "split")}
        changed = dict(arrays) | rows
    np.savez(file, **changed)
    with pytest.raises(DataError, match="has no joy in its split public_test"):
        check_faces(file)
