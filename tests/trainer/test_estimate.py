from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from emostream.trainer import estimate as module
from emostream.trainer.estimate import Estimate, estimate
from emostream.trainer.protocol.fold import FoldJob, run_fold
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.training import stages
from emostream.trainer.training.recipe import Recipe
from tests.trainer.corpora import SUBJECTS, TINY_RECIPE, Turn, plan, turns, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("corpus"), turns(takes=1))


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is timed is done once and takes a second."""

    def timed(work: Callable[[], object]) -> float:
        work()
        return 1.0

    monkeypatch.setattr(module, "_timed", timed)


def with_epochs(**epochs: int) -> Recipe:
    return replace(
        TINY_RECIPE, **{part: replace(getattr(TINY_RECIPE, part), epochs=count) for part, count in epochs.items()}
    )


def test_every_part_takes_time_and_a_fold_all_of_it(corpus: Corpus) -> None:
    found = estimate(corpus, plan(), folds=4, threads=1)
    assert min(found.audio, found.video, found.fusion) > 0
    assert found.fold == pytest.approx(found.audio + found.video + found.fusion)


@pytest.mark.usefixtures("second")
def test_it_grows_with_epochs_and_folds(corpus: Corpus) -> None:
    def at(recipe: Recipe, folds: int = 4) -> Estimate:
        return estimate(corpus, plan(recipe=recipe), folds, 1)

    base = at(with_epochs(audio=1, video=1, fusion=1, rbm=1))
    for part, kind in (("audio", "audio"), ("video", "video"), ("fusion", "fusion"), ("rbm", "fusion")):
        ten, hundred = (at(with_epochs(**{"audio": 1, "video": 1, "fusion": 1, "rbm": 1, part: n})) for n in (10, 100))
        slope = (getattr(hundred, kind) - getattr(ten, kind)) / 90
        assert slope > 0
        assert getattr(ten, kind) - getattr(base, kind) == pytest.approx(9 * slope)
        others = {"audio", "video", "fusion"} - {kind}
        assert all(getattr(hundred, name) == getattr(base, name) for name in others)
    many = with_epochs(audio=10_000, video=10_000)  # so that embedding is nothing beside it
    assert at(many, 10).audio / at(many, 2).audio == pytest.approx(0.9 / 0.5, rel=1e-3)
    assert at(many, 10).video / at(many, 2).video == pytest.approx(0.9 / 0.5, rel=1e-3)
    assert at(TINY_RECIPE).fusion > at(replace(TINY_RECIPE, rbm_rates=(0.3,))).fusion


def test_it_counts_the_steps_that_a_fold_takes(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: Counter[str] = Counter()
    embed, pretrain = stages.embed, stages.pretrain

    def note_training(graph: Any, own: Any, schedule: Any, *_: object, **__: object) -> None:
        taken[f"{graph.role} train"] += len(own) * schedule.epochs

    def note_embedding(graph: Any, examples: Any, *given: Any) -> Any:
        taken[f"{graph.role} embed"] += len(examples)
        return embed(graph, examples, *given)

    def note_machines(network: Any, audio: Any, *given: Any) -> Any:
        taken["machines"] += len(audio)
        return pretrain(network, audio, *given)

    monkeypatch.setattr(stages, "train", note_training)
    monkeypatch.setattr(stages, "embed", note_embedding)
    monkeypatch.setattr(stages, "pretrain", note_machines)
    run_fold(FoldJob(corpus, Fold("subject-ann", ("ann",)), plan(), tmp_path, threads=1, keep=False))

    def only(train: float = 0.0, embed: float = 0.0, machines: float = 0.0) -> Estimate:
        """The estimate when a second is what one example takes in one part."""
        monkeypatch.setattr(module, "_cost", lambda *_: module._Cost(train, embed))
        monkeypatch.setattr(module, "_timed", lambda work: machines * 4 * TINY_RECIPE.rbm.batch)
        return estimate(corpus, plan(), 4, 1)

    assert only(train=1.0).audio == pytest.approx(taken["audio train"])
    assert only(train=1.0).video == pytest.approx(taken["video train"])
    assert only(embed=1.0).audio == pytest.approx(taken["audio embed"])
    assert only(embed=1.0).video == pytest.approx(taken["video embed"])
    # The inner trainings that choose a rate have fewer segments, and few are the paper's subjects that are left out.
    assert taken["fusion train"] <= only(train=1.0).fusion < 1.1 * taken["fusion train"]
    assert taken["machines"] <= only(machines=1.0).fusion < 1.2 * taken["machines"]


def test_a_frozen_network_is_timed_frozen(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: dict[str, list[bool]] = {}
    ready = module.make_ready

    def note(graph: Any, schedule: Any) -> None:
        ready(graph, schedule)
        convolutions = [each for each in graph.modules() if isinstance(each, torch.nn.Conv2d | torch.nn.Conv3d)]
        timed[graph.role] = [each.weight.requires_grad for each in convolutions]

    monkeypatch.setattr(module, "make_ready", note)
    for frozen in (False, True):
        recipe = TINY_RECIPE.with_frozen_convolutions() if frozen else TINY_RECIPE
        estimate(corpus, plan(recipe=recipe), 4, 1)
        assert timed == {"audio": [not frozen] * 5, "video": [not frozen] * 8, "fusion": []}


def test_a_data_set_without_faces_takes_no_time_for_them(tmp_path: Path) -> None:
    silent = write_corpus(tmp_path, [Turn(subject, "joy", face=False) for subject in SUBJECTS[:2]])
    found = estimate(silent, plan(), 2, 1)
    assert found.audio > 0
    assert found.video == found.fusion == 0
