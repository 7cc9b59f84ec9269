from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError
from emostream.trainer.starter.build import build
from emostream.trainer.starter.measure import FINDINGS
from emostream.trainer.starter.parts import StarterJob
from emostream.trainer.starter.recipe import LABELS, StarterRecipe
from emostream.trainer.starter.voices import Voices
from tests.trainer.corpora import CPU, TINY, TINY_RECIPE, Turn, write_corpus
from tests.trainer.corpora import LABELS as SOUNDS

ACTORS = tuple(f"Actor_{number:02d}" for number in range(1, 5))
ONCE = replace(TINY_RECIPE.audio, epochs=1, balanced=True)
RECIPE = StarterRecipe(
    voice=ONCE,
    stills=replace(ONCE, augment=False),
    clips=replace(ONCE, augment=False),
    fusion=replace(ONCE, augment=False),
    rbm=TINY_RECIPE.rbm,
    clip_pictures=7,
    known_faces=21,
    groups=2,
    pairs=1,
)


def voices(folder: Path) -> Voices:
    turns = [
        Turn(actor, label, face=False, segments=2, sounds_like=SOUNDS[index % len(SOUNDS)])
        for actor in ACTORS
        for index, label in enumerate(LABELS)
    ]
    return Voices.of(write_corpus(folder, turns, LABELS))


def write_faces(file: Path) -> Path:
    """Noise of its own for each picture; one training picture is also in the private test."""
    rng = np.random.default_rng(0)
    count = 7 * 8
    images = rng.integers(0, 255, (count, 48, 48), np.uint8)
    labels, split = np.tile(np.arange(7, dtype=np.uint8), 8), np.repeat([0, 0, 0, 0, 1, 1, 2, 2], 7).astype(np.uint8)
    images[-1] = images[0]
    names = np.array(["train", "public_test", "private_test"])
    np.savez(file, images=images, labels=labels, label_names=np.array(LABELS), split=split, split_names=names)
    return file


def job(folder: Path) -> StarterJob:
    return StarterJob(
        voices=voices(folder / "segments"),
        faces=write_faces(folder / "fer2013.npz"),
        place=folder / "work",
        recipe=RECIPE,
        preset=TINY,
        seed=1,
        compute=CPU,
        side_by_side=1,
        threads=1,
    )


@pytest.mark.timeout(300)
def test_a_starter_is_trained_measured_and_made_again_from_what_is_finished(tmp_path: Path) -> None:
    told: list[str] = []
    bundle, figures = build(job(tmp_path), tmp_path / "starter", told.append)
    assert told[-1].startswith("everyone")
    assert {"faces: networks", "everyone: networks", "actors-01-02: fusion", "actors-03-04: fusion"} <= set(told)

    assert Bundle.load(tmp_path / "starter").sha256 == bundle.sha256
    manifest = bundle.manifest
    assert manifest.labels == LABELS
    assert manifest.trained
    assert "non-commercial" in manifest.licence
    assert manifest.frontend["level"] == "none"  # as the tiny preset has it
    assert manifest.training["subjects"] == len(ACTORS)
    assert "confusion" not in json.dumps(manifest.figures)

    assert json.loads((tmp_path / "work" / FINDINGS).read_text()) == figures
    assert figures["audio"]["all"]["count"] == len(ACTORS) * len(LABELS)
    assert set(figures["audio"]["groups"]) == {"actors-01-02", "actors-03-04"}
    assert figures["video"]["dropped_from_training"] == 1
    assert figures["video"]["all"]["1"]["count"] == 14
    assert figures["video"]["non_duplicates"]["1"]["count"] == 13
    assert figures["fused"]["all"]["product_rule_log_loss"] > 0

    weights = sorted((tmp_path / "work").rglob("weights.pt"))
    assert len(weights) == 2 + 2 * 3  # stills and clips; voice and fusion of three models
    written = [file.stat().st_mtime_ns for file in weights]
    again, _ = build(job(tmp_path), tmp_path / "again", lambda _: None)
    assert again.sha256 == bundle.sha256
    assert [file.stat().st_mtime_ns for file in weights] == written


def test_an_existing_bundle_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "starter").mkdir()
    (tmp_path / "starter" / "manifest.json").touch()
    with pytest.raises(ConfigError, match="exists already"):
        build(job(tmp_path), tmp_path / "starter", lambda _: None)
    assert not (tmp_path / "work").exists()
