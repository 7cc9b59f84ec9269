"""Which examples an epoch takes, and how pairs of them are mixed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from emostream.trainer.training import loop
from emostream.trainer.training.compute import Compute
from emostream.trainer.training.data import Examples, Rows
from tests.trainer.training.runs import FOUR_EPOCHS, PAPER, fresh, pairs, run, same


class Classes(Examples):
    """Nothing but classes: 6, 3 and 1 of a tenth of the examples, and none of the one between."""

    def __init__(self, count: int = 300) -> None:
        rows = Rows(np.arange(count), np.zeros(count, np.int64))
        super().__init__(rows, np.repeat([0, 1, 3], [count * 6 // 10, count * 3 // 10, count // 10]))


def drawn(examples: Examples, seed: int, epoch: int, *, balanced: bool) -> list[int]:
    sampler = loop._Drawn(examples, seed, balanced)
    sampler.set_epoch(epoch)
    found = list(sampler)
    assert len(found) == len(sampler) == len(examples)
    return found


def test_an_epoch_takes_every_example_once() -> None:
    orders = [drawn(Classes(), 5, epoch, balanced=False) for epoch in range(3)]
    assert all(sorted(order) == list(range(300)) for order in orders)
    assert len(set(map(tuple, orders))) == 3


def test_a_balanced_epoch_takes_classes_equally_often_on_average() -> None:
    examples = Classes()
    found = [examples.labels[drawn(examples, 5, epoch, balanced=True)] for epoch in range(40)]
    shares = np.bincount(np.concatenate(found), minlength=4) / 12_000
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.015)
    places = np.bincount(np.concatenate([drawn(examples, 5, epoch, balanced=True) for epoch in range(40)]))
    assert places.min() > 0  # none is left out for good
    for label in (0, 1, 3):
        own = places[examples.labels == label]
        assert own.mean() == pytest.approx(4000 / own.size, rel=0.05)
        assert own.std() < 1.5 * own.mean() ** 0.5  # within a class all alike


@pytest.mark.parametrize("balanced", [False, True])
def test_seed_and_epoch_alone_decide_the_order(balanced: bool) -> None:
    first = drawn(Classes(), 2**32 - 5, 4, balanced=balanced)
    torch.manual_seed(99)
    torch.rand(3)
    assert drawn(Classes(), 2**32 - 5, 4, balanced=balanced) == first
    assert drawn(Classes(), 2**32 - 5, 5, balanced=balanced) != first
    assert drawn(Classes(), 3, 4, balanced=balanced) != first


def test_examples_know_the_epoch_that_they_are_drawn_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    examples = pairs()
    inputs = examples.inputs

    def note(index: int) -> tuple[Tensor, ...]:
        seen.append((examples.seed, examples.epoch))
        return inputs(index)

    monkeypatch.setattr(examples, "inputs", note)
    run(fresh(), examples, replace(PAPER, balanced=True), tmp_path)
    assert seen == [(2**32 - 5, epoch) for epoch in range(3) for _ in range(70)]


def test_processes_that_load_vary_alike(
    segments: dict[str, Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = replace(FOUR_EPOCHS, epochs=2, balanced=True)
    here = run(fresh("audio"), segments["varied"], schedule, tmp_path / "here")
    still = run(fresh("audio"), segments["audio"], schedule, tmp_path / "still")
    assert not same(still, here)
    monkeypatch.setattr(Compute, "loaders", 2)
    assert same(run(fresh("audio"), segments["varied"], schedule, tmp_path / "there"), here)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_loss_of_mixed_examples_equals_one_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label_smoothing: float
) -> None:
    steps: list[tuple[list[Any], float]] = []
    mixed: list[tuple[tuple[Tensor, ...], Tensor, Tensor]] = []
    step, mix = loop._Classifier.training_step, loop.mix

    def record(self: loop._Classifier, batch: list[Any]) -> Tensor:
        loss = step(self, batch)
        steps.append((batch, loss.item()))
        return loss

    def note(inputs: tuple[Tensor, ...], parameter: float) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        assert parameter == 0.4
        mixed.append(mix(inputs, parameter))
        return mixed[-1]

    monkeypatch.setattr(loop._Classifier, "training_step", record)
    monkeypatch.setattr(loop, "mix", note)
    still = replace(PAPER, rate=0.0, mixup=0.4, label_smoothing=label_smoothing)
    network = run(fresh(dropout=0.0), pairs(), still, tmp_path).network.train()
    assert len(steps) == len(mixed) == 9
    for ((inputs, labels), loss), (_, other, share) in zip(steps, mixed, strict=True):
        assert not torch.equal(other, torch.arange(len(other)))
        own = share[:, None]
        targets = functional.one_hot(labels, 3).float()
        wanted = own * targets + (1 - own) * targets[other]
        wanted = (1 - label_smoothing) * wanted + label_smoothing / 3
        blends = (own * x + (1 - own) * x[other] for x in inputs)
        by_hand = -(wanted * network(*blends).log_softmax(1)).sum(1).mean()
        assert loss == pytest.approx(float(by_hand.detach()), rel=1e-5)


def test_prepared_inputs_are_what_is_mixed(
    segments: dict[str, Examples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[Tensor, ...]] = []
    mix = loop.mix

    def note(inputs: tuple[Tensor, ...], parameter: float) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        taken.append(inputs)
        return mix(inputs, parameter)

    monkeypatch.setattr(loop, "mix", note)
    for role, shape in (("audio", (3, 63, 63)), ("video", (1, 16, 32, 32))):
        taken.clear()
        run(fresh(role), segments[role], replace(FOUR_EPOCHS, epochs=1, mixup=0.4), tmp_path / role)
        assert [tuple(each.shape) for (each,) in taken] == [(12, *shape)] * 2
