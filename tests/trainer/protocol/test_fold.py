from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emostream.engines.errors import TrainingError
from emostream.trainer.protocol import fold as module
from emostream.trainer.protocol.fold import FoldJob, finished, run_fold
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.outcomes import read_outcomes
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.training import loop, stages
from tests.trainer.corpora import LABELS, SUBJECTS, TINY_RECIPE, plan, turns, write_corpus
from tests.trainer.protocol.learned import changed, learned

ONE_RATE = replace(TINY_RECIPE, rbm_rates=(0.3,))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("corpus"), turns(SUBJECTS[:3], takes=1))


@pytest.fixture(scope="module")
def done(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> FoldJob:
    """A finished fold."""
    found = job(corpus, tmp_path_factory.mktemp("done") / "fold")
    assert not finished(found)
    run_fold(found)
    return found


def job(corpus: Corpus, place: Path, *, keep: bool = True, **plans: Any) -> FoldJob:
    return FoldJob(corpus, Fold("subject-ann", ("ann",)), plan(**plans), place, threads=1, keep=keep)


def test_a_fold_leaves_decisions_svms_and_what_it_chose(corpus: Corpus, done: FoldJob) -> None:
    with (done.place / "decisions.csv").open(newline="", encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    assert head == ["recording", "subject", "truth", *(method.key for method in METHODS)]
    assert [row[:3] for row in rows] == [[f"ann/{label}-1.mp4", "ann", label] for label in LABELS]
    assert {cell for row in rows for cell in row[3:]} <= set(LABELS)
    found = json.loads((done.place / "fold.json").read_text())
    assert found["held_out"] == ["ann"]
    assert set(found["machines_rate"]) == {"0.01", "0.2"}
    assert found["seconds"] > 0
    with np.load(done.place / "svms.npz") as svms:
        assert svms["dbn-2 weight"].shape == (3, 8)
        assert svms["concatenated weight"].shape == (3, 18)
        assert svms["video scores prob_a"].shape == (3,)
    assert read_outcomes({"subject-ann": done.place}, LABELS).recordings == tuple(row[0] for row in rows)
    assert not list(done.place.rglob("*.part"))
    logits = {file.parent.name for file in done.place.rglob("weights.pt")}
    assert {"audio", "audio-15", "video", "dbn-2", "dbn-2-random", "rate-0.01", "rate-0.2"} <= logits
    assert "dbn-2-minmax" not in logits  # the tiny preset's own scaling, so the same as dbn-2
    minmax, own = ([row[head.index(key)] for row in rows] for key in ("dbn-2-minmax", "dbn-2"))
    assert minmax == own


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("worked where nothing was to do")


def test_a_finished_fold_is_left_alone(done: FoldJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Stages", refuse)
    before = {file: file.stat().st_mtime_ns for file in done.place.rglob("*")}
    assert finished(done)
    assert run_fold(done) == done.place
    assert {file: file.stat().st_mtime_ns for file in done.place.rglob("*")} == before


def test_what_changes_a_result_makes_a_fold_unfinished(done: FoldJob, tmp_path: Path) -> None:
    *rest, last = done.corpus.recordings
    other_label = replace(done.corpus, recordings=(*rest, replace(last, label="joy")))
    other_person = replace(done.corpus, recordings=(*rest, replace(last, subject="bob")))
    changes: list[Callable[[], FoldJob]] = [
        lambda: replace(done, fold=Fold("subject-ann", ("bob",))),
        lambda: replace(done, plan=plan(seed=4)),
        lambda: replace(done, plan=plan(which="voiced")),
        lambda: replace(done, plan=plan(recipe=ONE_RATE)),
        lambda: replace(done, threads=2),
        lambda: replace(done, corpus=other_label),
        lambda: replace(done, corpus=other_person),
        lambda: replace(done, place=tmp_path),
    ]
    assert [finished(change()) for change in changes] == [False] * len(changes)
    assert finished(replace(done, keep=False))
    for name in ("fold.json", "decisions.csv"):
        shutil.copytree(done.place, copy := tmp_path / name)
        (copy / name).unlink()
        assert not finished(replace(done, place=copy))
    (copy / "decisions.csv").write_text("")
    (copy / "fold.json").write_text("{")
    assert not finished(replace(done, place=copy))


def test_an_interrupted_fold_goes_on_with_what_is_finished(
    done: FoldJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trained: list[str] = []
    original = stages.train

    def stop_at(last: int) -> None:
        trained.clear()

        def train(graph: Any, own: Any, schedule: Any, place: Path, **more: Any) -> None:
            trained.append(place.name)
            if len(trained) == last:
                with pytest.MonkeyPatch.context() as inner:
                    inner.setattr(loop, "_SAVE_EVERY_S", 0.0)
                    inner.setattr(loop._Keep, "on_train_epoch_end", _save_and_stop(loop._Keep.on_train_epoch_end))
                    original(graph, own, schedule, place, **more)
            else:
                original(graph, own, schedule, place, **more)

        monkeypatch.setattr(stages, "train", train)

    again = replace(done, place=tmp_path / "fold")
    for last, expected in ((2, ["audio", "video"]), (3, ["video", "audio-15", "rate-0.01"])):
        stop_at(last)
        with pytest.raises(KeyboardInterrupt):
            run_fold(again)
        assert trained == expected
    assert not finished(again)
    stop_at(-1)
    run_fold(again)
    assert trained[:2] == ["rate-0.01", "rate-0.2"]
    assert changed(learned(again.place), learned(done.place)) == []
    assert (again.place / "decisions.csv").read_bytes() == (done.place / "decisions.csv").read_bytes()
    with (again.place / "video" / "log-2" / "metrics.csv").open() as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1"]  # of 0 and 1
    assert not caplog.records


def _save_and_stop(save: Callable[..., None]) -> Callable[..., None]:
    def act(*given: Any) -> None:
        save(*given)
        raise KeyboardInterrupt

    return act


def test_weights_go_when_they_are_not_to_be_kept(done: FoldJob, tmp_path: Path) -> None:
    shutil.copytree(done.place, tmp_path / "fold")
    (tmp_path / "fold" / "fold.json").unlink()
    again = replace(done, place=tmp_path / "fold", keep=False)
    run_fold(again)
    assert finished(again)
    assert not list(again.place.rglob("weights.pt"))
    assert len(list(again.place.rglob("metrics.csv"))) == 13


def test_a_class_that_no_training_subject_has_is_named_and_the_fold_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = turns(SUBJECTS[:3], takes=1)
    some = [turn for turn in whole if turn.label != "sadness" or turn.subject == "ann"]
    place = run_fold(job(write_corpus(tmp_path / "segments", some), tmp_path / "fold", recipe=ONE_RATE))
    message = (
        "fold subject-ann trains on no recording of class sadness and never chooses it; add recordings of it or leave"
    )
    assert sum(message in record.getMessage() for record in caplog.records) == 1
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert all("sadness" in record.getMessage() for record in caplog.records)
    assert len(caplog.records) <= 3  # not one for each SVM
    outcomes = read_outcomes({"subject-ann": place}, LABELS)
    assert outcomes.truth.tolist() == [0, 1, 2]
    assert all((predicted < 2).all() for predicted in outcomes.predicted.values())


def test_a_test_subject_without_a_class_is_no_trouble(
    corpus: Corpus, done: FoldJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(done.place, tmp_path / "fold")
    fewer = replace(corpus, recordings=corpus.recordings[1:], keys=corpus.keys[1:])
    place = run_fold(job(fewer, tmp_path / "fold"))
    assert not caplog.records
    assert read_outcomes({"subject-ann": place}, LABELS).truth.tolist() == [1, 2]
    assert changed(learned(place), learned(done.place)) == []


def test_one_rate_is_taken_without_a_choice(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    features: dict[str, Any] = {}

    def fusion(self: Any, variant: Any, name: str, pairs: Any, rate: float) -> Any:
        rates.append(rate)
        return None, features["audio"]

    _quick(monkeypatch, features)
    monkeypatch.setattr(stages.Stages, "fusion", fusion)
    single, choice = (
        module._features(stages.Stages(corpus, corpus.subjects != "ann", plan(recipe=recipe), tmp_path))[1]
        for recipe in (ONE_RATE, TINY_RECIPE)
    )
    assert single == {"0.3": None}
    assert rates[:8] == [0.3] * 8
    assert list(choice) == ["0.01", "0.2"]
    assert rates[8:10] == [0.01, 0.2]
    alone = replace(corpus, recordings=corpus.recordings[:6], keys=corpus.keys[:6])
    rates.clear()
    features.clear()
    found = module._features(stages.Stages(alone, alone.subjects != "ann", plan(), tmp_path))[1]
    assert found == {str(TINY_RECIPE.rbm.rate): None}  # of one training subject none can be left out
    assert set(rates) == {TINY_RECIPE.rbm.rate}


def _quick(monkeypatch: pytest.MonkeyPatch, features: dict[str, Any]) -> None:
    """Untrained networks in place of the trained ones."""
    audio, video = stages.Stages.audio, stages.Stages.video

    def heard(self: Any, *given: Any, **_: Any) -> Any:
        features.setdefault("audio", audio(self, original=True)[1])
        return None, features["audio"]

    def seen(self: Any, **_: Any) -> Any:
        return video(self, original=True)

    monkeypatch.setattr(stages.Stages, "audio", heard)
    monkeypatch.setattr(stages.Stages, "video", seen)


def test_the_rate_that_does_best_on_inner_subjects_is_taken_and_one_that_diverges_is_not(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rates = (0.01, 0.2, 0.5, 9.0)
    features: dict[str, Any] = {}
    asked: list[tuple[str, float, set[str]]] = []

    def fusion(self: Any, variant: Any, name: str, pairs: Any, rate: float) -> Any:
        given = set(corpus.subjects[pairs.rows.recording].tolist())
        asked.append((name, rate, given))
        if rate == 9.0:
            raise TrainingError("diverged")
        marks = features["audio"]
        informed = np.eye(3, dtype=np.float32)[corpus.labels[marks.rows.recording]] * (rate in {0.2, 0.5})
        return None, replace(marks, features=informed)

    _quick(monkeypatch, features)
    monkeypatch.setattr(stages.Stages, "fusion", fusion)
    recipe = replace(TINY_RECIPE, rbm_rates=rates)
    _, found = module._features(stages.Stages(corpus, corpus.subjects != "ann", plan(recipe=recipe), tmp_path))
    assert found == {"0.01": pytest.approx(1 / 3), "0.2": 1.0, "0.5": 1.0, "9.0": 0.0}
    assert [record.getMessage() for record in caplog.records] == [
        "the machines' rate 9.0 is out of the choice: diverged"
    ]
    assert [each[:2] for each in asked[:4]] == [(f"rate-{rate}", rate) for rate in rates]
    assert all(given == {"bob", "cid"} for _, _, given in asked[:4])  # the test subject is far from the choice
    assert {rate for _, rate, _ in asked[4:]} == {0.2}  # the first of equals
    assert all(given == {"ann", "bob", "cid"} for _, _, given in asked[4:])


def test_a_fold_that_cannot_be_written_is_one_error(done: FoldJob, tmp_path: Path) -> None:
    shutil.copytree(done.place, tmp_path / "fold")
    (tmp_path / "fold" / "fold.json").unlink()
    save = np.savez
    with open("/dev/full", "wb", buffering=0) as full, pytest.MonkeyPatch.context() as patched:
        patched.setattr(np, "savez", lambda _, **arrays: save(full, **arrays))
        with pytest.raises(TrainingError, match=r"work in .*fold stops: .*No space left on device.*run the same"):
            run_fold(replace(done, place=tmp_path / "fold"))
    assert not finished(replace(done, place=tmp_path / "fold"))


def test_segments_that_vanish_are_an_error_of_the_fold(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "segments", turns(SUBJECTS[:2], takes=1))
    gone = corpus.segments[0].file
    gone.unlink()
    with pytest.raises(TrainingError, match=rf"fold stops: .*{gone.name}"):
        run_fold(job(corpus, tmp_path / "fold"))
