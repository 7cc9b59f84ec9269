from __future__ import annotations

import logging
import os
import signal
import sys
import types
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from emostream.engines.errors import ConfigError, TrainingError
from emostream.trainer.datasets.base import DataSet
from emostream.trainer.protocol.fold import FoldJob, run_fold
from emostream.trainer.protocol.folds import folds_of
from emostream.trainer.protocol.run import run_folds
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.training.compute import Compute
from tests.trainer.corpora import CPU, LABELS, SUBJECTS, TINY_RECIPE, plan, turns, write_corpus
from tests.trainer.protocol.learned import changed, learned

WORKERS = 2


@dataclass(frozen=True)
class Deadly(Compute):
    """Kills its process when embeddings are to be computed first, which is after the audio network's training."""

    marker: Path = field(default=Path(), kw_only=True)

    @property
    def device(self) -> torch.device:
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().device


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("corpus"), turns(SUBJECTS[:3], takes=1))


def jobs_in(folder: Path, corpus: Corpus) -> list[FoldJob]:
    """A fold for each of three subjects, of one rate to choose from, so that they take no longer than they need."""
    data = DataSet("made-up", LABELS, corpus.recordings, "subjects", {})
    own = plan(recipe=replace(TINY_RECIPE, rbm_rates=(0.3,)))
    return [FoldJob(corpus, fold, own, folder / fold.name, threads=1, keep=True) for fold in folds_of(data)]


@pytest.fixture(scope="module")
def alone(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> list[FoldJob]:
    """The same folds, one after another in this process."""
    jobs = jobs_in(tmp_path_factory.mktemp("alone"), corpus)
    for job in jobs:
        run_fold(job)
    return jobs


def same(found: list[FoldJob], expected: list[FoldJob]) -> bool:
    """Whether folds decided and learned the same to the bit."""
    assert [job.fold for job in found] == [job.fold for job in expected]
    for job, other in zip(found, expected, strict=True):
        assert (job.place / "decisions.csv").read_bytes() == (other.place / "decisions.csv").read_bytes()
        assert changed(learned(job.place), learned(other.place)) == []
    return True


def deadly(job: FoldJob, marker: Path) -> FoldJob:
    compute = Deadly("cpu", "32-true", marker=marker)
    assert compute == replace(compute, marker=marker)
    return replace(job, plan=replace(job.plan, compute=compute))


@pytest.mark.timeout(600)
def test_a_killed_worker_and_a_failing_fold_cost_no_other_and_the_same_run_mends_them(
    corpus: Corpus, alone: list[FoldJob], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, _ = jobs = jobs_in(tmp_path, corpus)
    second.place.write_text("in the way")
    told: list[str] = []
    with pytest.raises(TrainingError) as raised:
        run_folds(
            [deadly(first, tmp_path / "killed"), second],
            side_by_side=WORKERS,
            progress=lambda job: told.append(job.fold.name),
        )
    message = str(raised.value)
    assert message.startswith("1 of 2 folds failed, first fold subject-bob: work in ")
    assert message.endswith("the others are kept: mend that and run the same command again")
    assert (tmp_path / "killed").exists()
    assert "a worker was killed while it worked on fold subject-ann" in caplog.text
    assert told == ["subject-ann"]
    assert same([first], alone[:1])
    assert [log.name for log in (first.place / "audio").glob("log-*")] == ["log-1"]  # trained before the kill, and kept
    second.place.unlink()
    kept = (first.place / "fold.json").stat().st_mtime_ns
    told.clear()
    run_folds(jobs, side_by_side=1, progress=lambda job: told.append(job.fold.name))
    assert told == ["subject-ann", "subject-bob", "subject-cid"]
    assert (first.place / "fold.json").stat().st_mtime_ns == kept
    assert same(jobs, alone)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ray_gives_the_same_numbers_though_a_worker_is_lost(
    corpus: Corpus, alone: list[FoldJob], tmp_path: Path
) -> None:
    jobs = jobs_in(tmp_path, corpus)
    jobs[1].place.write_text("in the way")
    told: list[str] = []
    with pytest.raises(TrainingError, match=r"1 of 3 folds failed, first fold subject-bob: work in .*; the others"):
        run_folds(
            [deadly(jobs[0], tmp_path / "killed"), *jobs[1:]],
            side_by_side=WORKERS,
            ray_address="local",
            progress=lambda job: told.append(job.fold.name),
        )
    assert (tmp_path / "killed").exists()
    assert sorted(told) == ["subject-ann", "subject-cid"]
    assert same([jobs[0], jobs[2]], [alone[0], alone[2]])


def test_no_folds_are_no_work() -> None:
    run_folds([], side_by_side=2)


class _Ray(types.ModuleType):
    """A Ray without processes: each task ends as `ends` says."""

    def __init__(self, ends: list[Any], unreachable: Exception | None = None) -> None:
        super().__init__("ray")
        ray_error = type("RayError", (Exception,), {})
        self.exceptions = types.SimpleNamespace(
            RayError=ray_error,
            RayTaskError=type("RayTaskError", (ray_error,), {}),
            WorkerCrashedError=type("WorkerCrashedError", (ray_error,), {}),
        )
        self.ends, self.unreachable, self.asked = iter(ends), unreachable, {}
        self.closed = False

    def init(self, **given: Any) -> None:
        self.asked |= given
        if self.unreachable:
            raise self.unreachable

    def shutdown(self) -> None:
        self.closed = True

    def remote(self, **given: Any) -> Any:
        self.asked |= given
        return lambda work: types.SimpleNamespace(remote=lambda job: object())

    def wait(self, running: list[object]) -> tuple[list[object], list[object]]:
        return running[:1], running[1:]

    def get(self, done: object) -> Any:
        end = next(self.ends)
        if isinstance(end, str):
            raise getattr(self.exceptions, end)("because")
        return end


def fake(monkeypatch: pytest.MonkeyPatch, *ends: Any, unreachable: Exception | None = None) -> _Ray:
    ray = _Ray(list(ends), unreachable)
    monkeypatch.setitem(sys.modules, "ray", ray)
    return ray


def test_a_worker_that_ray_cannot_replace_costs_its_fold_alone(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [replace(job, threads=3) for job in jobs_in(tmp_path, corpus)]
    ray = fake(monkeypatch, "WorkerCrashedError", jobs[1].place, TrainingError("nothing to train on"))
    told: list[str] = []
    with pytest.raises(
        TrainingError, match=r"2 of 3 folds failed, first fold subject-ann: its worker was lost 4 times"
    ):
        run_folds(jobs, side_by_side=2, ray_address="head:6379", progress=lambda job: told.append(job.fold.name))
    assert told == ["subject-bob"]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "fold subject-ann: its worker was lost 4 times: WorkerCrashedError",
        "fold subject-cid: nothing to train on",
    ]
    assert ray.asked == {"address": "head:6379", "num_cpus": 3, "num_gpus": 0.0, "max_retries": 3}
    assert ray.closed


def test_a_mistake_of_ours_is_not_taken_for_a_lost_worker(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = fake(monkeypatch, "RayTaskError")
    with pytest.raises(Exception, match="because") as raised:
        run_folds(jobs_in(tmp_path, corpus), side_by_side=2, ray_address="local")
    assert type(raised.value).__name__ == "RayTaskError"
    assert (ray.asked["num_cpus"], ray.closed) == (1, True)


def test_gpus_are_asked_for_where_they_are_used(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job, *_) = jobs_in(tmp_path, corpus)
    gpu = replace(job, plan=replace(job.plan, compute=replace(CPU, accelerator="gpu")))
    ray = fake(monkeypatch, job.place)
    run_folds([gpu], side_by_side=2, ray_address="local")
    assert ray.asked["num_gpus"] == 1.0


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (ConnectionError("refused"), RuntimeError("refused"), ValueError("refused")):
        fake(monkeypatch, unreachable=error)
        with pytest.raises(
            ConfigError, match=r"the Ray cluster head:1 can't be reached: refused; expected HOST:PORT or"
        ):
            run_folds([], side_by_side=1, ray_address="head:1")


def test_ray_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'--ray needs the package ray.*pip install "emostream\[ray\]"'):
        run_folds([], side_by_side=1, ray_address="local")
