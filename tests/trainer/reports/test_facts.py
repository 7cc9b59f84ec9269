from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emostream.engines.errors import ConfigError, DataError
from emostream.trainer.datasets.base import DataSet, Recording
from emostream.trainer.networks.presets import COMPACT
from emostream.trainer.protocol.folds import folds_of
from emostream.trainer.reports.facts import FoldFacts, RunFacts
from emostream.trainer.reports.preparation import Preparation
from emostream.trainer.segments.prepare import PreparedRecording, PreparedSet, Problem
from emostream.trainer.segments.store import Segments
from emostream.trainer.training.compute import Compute
from emostream.trainer.training.recipe import RECIPES
from emostream.trainer.training.stages import TrainingPlan
from tests.trainer.reports.samples import LABELS, facts


def segments(voiced, faces):
    frames = np.where(np.array(faces)[:, None], np.arange(16), -1).astype(np.int32)
    heard = np.ones(len(faces), bool)
    return Segments("key", Path("key.crops"), 2.0, True, np.zeros(0, np.float32), heard, np.array(voiced), frames)


@pytest.fixture
def prepared():
    found = tuple(
        Recording(f"{subject}/{number}.mp4", subject, LABELS[number % 6], Path(f"{subject}-{number}"))
        for subject in ("s1", "s2", "s3")
        for number in range(6)
    )
    used = tuple(PreparedRecording(each, segments([True, False], [True, True])) for each in found[:-2])
    odd = PreparedRecording(found[-2], segments([False, False], [False, True]))
    problems = (
        Problem(found[-2], "no voice", "", lost=False),
        Problem(found[-1], "can't be decoded", "it ends early", lost=True),
    )
    return PreparedSet(DataSet("rml", LABELS, found, "subjects", {"copies": 2}), (*used, odd), problems)


@pytest.fixture
def plan():
    return TrainingPlan(
        preset=COMPACT,
        recipe=RECIPES["paper"],
        audio_weights=None,
        video_weights=None,
        video_bgr=None,
        which="all",
        seed=5,
        compute=Compute("cpu", "32-true"),
    )


@pytest.fixture
def places(tmp_path):
    found = {}
    for name in ("subject-s1", "subject-s2", "subject-s3"):
        found[name] = tmp_path / name
        found[name].mkdir()
        rates = {"0.01": 0.5, "0.05": 0.75, "0.2": 0.75}
        summary = {"identity": "x", "held_out": [name[8:]], "machines_rate": rates, "seconds": 2.5}
        (found[name] / "fold.json").write_text(json.dumps(summary))
    return found


def test_preparation_counts(prepared):
    found = Preparation.of(prepared)
    assert (found.found, found.used, found.segments) == (18, 17, 34)
    assert found.left_out == {"copies": 2}
    assert found.found_by_subject == {"s1": 6, "s2": 6, "s3": 6}
    assert found.lost_by_subject == {"s3": 1}
    assert found.voiced_share == pytest.approx(16 / 34)
    assert found.face_share == pytest.approx(33 / 34)
    assert [(each.recording, each.kind, each.lost) for each in found.problems] == [
        ("s3/4.mp4", "no voice", False),
        ("s3/5.mp4", "can't be decoded", True),
    ]


def test_a_whole_run(prepared, plan, places):
    run = RunFacts.of(prepared, plan, folds_of(prepared.dataset), places, command="emostream-train", seconds=61.25)
    assert (run.dataset, run.labels, run.protocol) == ("rml", LABELS, "subjects")
    assert (list(run.folds), run.folds_of_all) == (list(places), 3)
    assert run.folds["subject-s2"].held_out == ("s2",)
    assert run.folds["subject-s2"].rate == "0.05"
    assert run.shortened == ()
    assert run.training.epochs == {"audio": 300, "video": 400, "rbm": plan.recipe.rbm.epochs, "fusion": 100}
    assert run.training.initial_weights == {"audio": None, "video": None}
    assert (run.training.preset, run.training.seed, run.training.precision) == ("compact", 5, "32-true")
    assert run.machine
    assert run.cores >= 1
    assert run.version


def test_what_was_shortened_is_named(prepared, plan, places):
    recipe = RECIPES["paper"].with_epochs(2).with_frozen_convolutions()
    del places["subject-s3"]
    run = RunFacts.of(
        prepared, replace(plan, recipe=recipe), folds_of(prepared.dataset), places, command="", seconds=1.0
    )
    assert run.shortened == (
        "The audio network trained for 2 epochs; recipe paper has 300.",
        "The video network trained for 2 epochs; recipe paper has 400.",
        f"The Boltzmann machines trained for 2 epochs; recipe paper has {plan.recipe.rbm.epochs}.",
        "The fusion networks trained for 2 epochs; recipe paper has 100.",
        "Convolutions of the audio and the video network stayed as they were given.",
        "2 of 3 folds were run: subject-s1, subject-s2. All figures are of their recordings alone.",
    )


def test_initial_weights_are_named_and_hashed(prepared, plan, places, tmp_path):
    file = tmp_path / "alexnet.pth"
    file.write_bytes(b"weights")
    every = folds_of(prepared.dataset)
    run = RunFacts.of(prepared, replace(plan, audio_weights=file), every, places, command="", seconds=1.0)
    written = json.loads(run.to_json())["training"]["initial_weights"]
    assert written == {
        "audio": {"name": "alexnet.pth", "sha256": hashlib.sha256(b"weights").hexdigest()},
        "video": None,
    }
    file.unlink()
    with pytest.raises(ConfigError, match=r"alexnet\.pth can't be read"):
        RunFacts.of(prepared, replace(plan, audio_weights=file), every, places, command="", seconds=1.0)


def test_json_holds_everything():
    written = json.loads(facts().to_json())
    assert written["folds"]["subject-s1"] == {
        "held_out": ["s1"],
        "rates": {"0.01": 0.5, "0.05": 0.625},
        "seconds": 61.0,
    }
    assert written["preparation"]["problems"][0]["detail"] == "no video\nstream"
    assert written["labels"] == list(LABELS)
    assert set(written) == set(RunFacts.__dataclass_fields__)


def test_a_single_rate_was_not_chosen(places):
    file = places["subject-s1"] / "fold.json"
    file.write_text('{"held_out": ["s1"], "machines_rate": {"0.05": null}, "seconds": 1}')
    found = FoldFacts.read(places["subject-s1"])
    assert found.rates == {"0.05": None}
    assert found.rate == "0.05"
    assert '"0.05": null' in facts(folds={"subject-s1": found}).to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "can't be read"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"held_out": [], "seconds": 1}', "damaged"),
        ('{"held_out": [], "machines_rate": {}, "seconds": 1}', "no rate"),
        ('{"held_out": [], "machines_rate": [1], "seconds": 1}', "damaged"),
        ('{"held_out": [], "machines_rate": {"1": "good"}, "seconds": 1}', "damaged"),
    ],
)
def test_damaged_fold_files_are_refused(places, text, message):
    file = places["subject-s1"] / "fold.json"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(DataError, match=message):
        FoldFacts.read(places["subject-s1"])
