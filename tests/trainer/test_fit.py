"""The final bundle: what the trainer's networks and heads say is what the stream publishes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError, DataError, TrainingError
from emostream.engines.heads import HEAD_NAMES
from emostream.trainer.actors.dataset import write_dataset
from emostream.trainer.datasets.base import ReadOptions
from emostream.trainer.datasets.choose import read_dataset
from emostream.trainer.export import as_exported
from emostream.trainer.fit import FitJob, fit
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.prepare import prepare, store_of
from emostream.trainer.training.stages import FusionVariant, Pairs, Stages
from tests.streamer.running import events_of
from tests.trainer.corpora import TINY_RECIPE, plan, turns, write_corpus

LABELS = ("anger", "joy", "sadness")


def job_of(corpus, place, **changes) -> FitJob:
    values = {
        "corpus": corpus,
        "plan": plan(which="voiced"),
        "place": place,
        "groups": 2,
        "side_by_side": 1,
        "threads": 1,
        "name": "test",
        "licence": "CC0-1.0",
    }
    return FitJob(**values | changes)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    """Three drawn and voiced people, three emotions."""
    folder = tmp_path_factory.mktemp("actors")
    write_dataset(
        folder / "rml", "rml", subjects=3, takes=1, seconds=1.6, size=(320, 240), seed=2, jobs=1, progress=None
    )
    dataset = read_dataset("rml", folder / "rml", ReadOptions(labels=LABELS))
    prepared = prepare(dataset, folder / "cache", jobs=1)
    return Corpus.of(prepared, store_of(folder / "cache"))


@pytest.fixture(scope="module")
def fitted(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    said: list[str] = []
    bundle = fit(job_of(corpus, folder / "work"), folder / "bundle", said.append)
    return bundle, folder, said


@pytest.mark.timeout(600)
def test_the_bundle(fitted, corpus):
    bundle, folder, said = fitted
    again = Bundle.load(folder / "bundle")
    assert again.sha256 == bundle.sha256
    assert again.manifest.trained
    assert again.manifest.labels == LABELS
    assert again.manifest.licence == "CC0-1.0"
    assert said == ["group-1", "group-2", "everyone"]
    training = again.manifest.training
    assert (training["recordings"], training["subjects"], training["seed"]) == (9, 3, 3)
    assert training["recipe"]["rbm"] == json.loads(json.dumps(vars(TINY_RECIPE.rbm)))
    for head in HEAD_NAMES:
        figures = again.manifest.figures["heads"][head]
        assert figures["all"]["recordings"] == len(corpus.recordings)
        assert 0 <= figures["all"]["accuracy"] <= 1
        assert figures["1"]["log_loss"] > 0


def test_the_live_pooled_score_is_the_trainers(fitted, corpus, tmp_path):
    """The trainer's own networks in PyTorch, against the whole stream on another runtime."""
    bundle, folder, _ = fitted
    stages = Stages(
        corpus,
        np.ones(len(corpus.recordings), bool),
        plan(which="voiced"),
        folder / "work" / "everyone",
        finish=as_exported,
    )
    _, audio = stages.audio()
    _, video = stages.video()
    _, fused = stages.fusion(FusionVariant(), "fusion", Pairs.of(audio, video), TINY_RECIPE.rbm.rate)
    for number, recording in enumerate(corpus.recordings[::4]):
        events = events_of(
            "--input", recording.path, "--bundle", folder / "bundle", "--fast", "--engine", "onnxruntime"
        )
        (utterance,) = (event for event in events if event["type"] == "utterance")
        head = utterance["head"]
        embedded = {"audio": audio, "video": video, "fused": fused}[head]
        own = embedded.features[embedded.rows.recording == 4 * number]
        assert len(own) == utterance["pools"][head]
        (expected,) = bundle.heads[head].probabilities(own.mean(axis=0, keepdims=True))
        assert list(utterance["scores"].values()) == pytest.approx(expected.tolist(), abs=1e-3)


def test_what_is_finished_is_not_trained_again(fitted, corpus, tmp_path, monkeypatch):
    bundle, folder, _ = fitted

    def never(*_, **__):
        raise AssertionError("a finished network was trained again")

    monkeypatch.setattr("emostream.trainer.training.stages.train", never)
    again = fit(job_of(corpus, folder / "work"), tmp_path / "again")
    np.testing.assert_array_equal(again.heads["fused"].weight, bundle.heads["fused"].weight)
    for role in ("audio", "video", "fusion"):
        assert again.network_file(role).read_bytes() == bundle.network_file(role).read_bytes()


def test_one_subject_is_too_few(tmp_path):
    corpus = write_corpus(tmp_path / "cache", turns(["ann"]))
    with pytest.raises(DataError, match="one subject"):
        fit(job_of(corpus, tmp_path / "work"), tmp_path / "bundle")


def test_recordings_without_a_face(tmp_path):
    silent = [replace(turn, face=False) for turn in turns(["ann", "bob"])]
    corpus = write_corpus(tmp_path / "cache", silent)
    with pytest.raises(TrainingError, match="0 segments to train the video network on"):
        fit(job_of(corpus, tmp_path / "work"), tmp_path / "bundle")


def test_an_existing_bundle_is_kept(fitted, corpus, tmp_path):
    _, folder, _ = fitted
    with pytest.raises(ConfigError, match="exists already"):
        fit(job_of(corpus, folder / "work"), folder / "bundle")
