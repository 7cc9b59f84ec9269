from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from emostream.engines.errors import TrainingError
from emostream.trainer.networks.graphs import Graph
from emostream.trainer.training import loop
from emostream.trainer.training.data import Examples
from emostream.trainer.training.loop import load_trained
from emostream.trainer.training.recipe import RECIPES, Schedule
from tests.trainer.corpora import TINY_RECIPE
from tests.trainer.training.runs import FOUR_EPOCHS, PAPER, fresh, logged, pairs, run, same


@pytest.mark.parametrize("role", ["audio", "video"])
def test_frozen_convolutions_and_their_statistics_keep_every_bit(
    segments: dict[str, Examples], tmp_path: Path, role: str
) -> None:
    before, trained = fresh(role).state_dict(), fresh(role)
    run(trained, segments[role], replace(FOUR_EPOCHS, epochs=1, freeze_convolutions=True), tmp_path)
    frozen, changed = set(), set()
    for name, module in trained.network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.BatchNorm2d | nn.BatchNorm3d):
            frozen |= {f"network.{name}.{each}" for each in module.state_dict()}
    after = trained.state_dict()
    changed = {name for name in before if torch.is_tensor(before[name]) and not torch.equal(before[name], after[name])}
    assert len(frozen) == (5 if role == "audio" else 8) * 7
    assert not frozen & changed
    dense = {name for name in before if name.startswith(("network.classifier", "network.fc", "network.norms.fc"))}
    assert len(dense) == 6 + 2 * 5  # weights and biases; the normalisations of fc6 and fc7
    assert changed == dense
    free = run(fresh(role), segments[role], replace(FOUR_EPOCHS, epochs=1), tmp_path, "free").state_dict()
    assert all(not torch.equal(before[name], free[name]) for name in frozen)


def test_the_papers_setting_equals_a_loop_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, epochs in (("audio", 300), ("video", 400), ("fusion", 100)):
        expected = Schedule("sgd", rate=0.001, batch=30, epochs=epochs, momentum=0.9)
        assert getattr(RECIPES["paper"], name) == expected
    batches: list[tuple[list[Tensor], Tensor]] = []
    found: list[float] = []
    original = loop._Classifier.training_step

    def record(self: loop._Classifier, batch: list[Any]) -> Tensor:
        loss = original(self, batch)
        batches.append((batch[0], batch[1]))
        found.append(loss.item())
        return loss

    monkeypatch.setattr(loop._Classifier, "training_step", record)
    trained = run(fresh(dropout=0.0), pairs(), PAPER, tmp_path)

    assert [len(labels) for _, labels in batches] == [30, 30, 10] * 3
    orders = [torch.cat([batch[0][0] for batch in batches[i : i + 3]]) for i in (0, 3, 6)]
    for order in orders:  # every segment once an epoch
        assert torch.equal(order.sort(dim=0).values, pairs().audio.sort(dim=0).values)
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[1], orders[2])

    by_hand = fresh(dropout=0.0).train()
    parameters = list(by_hand.parameters())
    speeds = [torch.zeros_like(each) for each in parameters]
    for (inputs, labels), loss in zip(batches, found, strict=True):
        mine = -by_hand.logits(*inputs).log_softmax(1)[range(len(labels)), labels].mean()
        assert loss == pytest.approx(float(mine.detach()), rel=1e-6)
        slopes = torch.autograd.grad(mine, parameters)
        with torch.no_grad():
            for each, speed, slope in zip(parameters, speeds, slopes, strict=True):
                speed.mul_(0.9).add_(slope)
                each.sub_(0.001 * speed)
    for name, expected in by_hand.state_dict().items():
        torch.testing.assert_close(trained.state_dict()[name], expected, rtol=1e-5, atol=1e-7)
    means = [
        sum(size * loss for size, loss in zip((30, 30, 10), found[i : i + 3], strict=True)) / 70 for i in (0, 3, 6)
    ]
    assert [float(row["loss"]) for row in logged(tmp_path / "log-1")] == pytest.approx(means, rel=1e-5)


def test_a_one_cycle_rises_and_falls_to_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    original = loop._Classifier.training_step

    def record(self: loop._Classifier, batch: list[Any]) -> Tensor:
        rates.append(self.optimizers().param_groups[0]["lr"])
        return original(self, batch)

    monkeypatch.setattr(loop._Classifier, "training_step", record)
    run(fresh(), pairs(61), replace(PAPER, epochs=10, one_cycle=True), tmp_path)
    assert len(rates) == 20  # the one segment left over in each epoch makes no batch
    assert max(rates) == rates[3] == rates[4] == 0.001
    assert rates[:4] == pytest.approx([0.00025, 0.0005, 0.00075, 0.001])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert 0 < rates[-1] < 0.00002


def test_few_segments_are_learnt_by_heart_and_the_logs_show_it(tmp_path: Path) -> None:
    schedule = replace(TINY_RECIPE.fusion, rate=0.02, epochs=30, label_smoothing=0.0)
    graph = run(fresh(dropout=0.0), pairs(24), schedule, tmp_path)
    few = pairs(24)
    with torch.inference_mode():
        assert torch.equal(graph.eval().logits(few.audio, few.video).argmax(1), torch.from_numpy(few.labels))
    rows = logged(tmp_path / "log-1")
    assert [int(row["epoch"]) for row in rows] == list(range(30))
    assert float(rows[-1]["loss"]) < 0.1 < 0.9 < float(rows[0]["loss"])
    assert float(rows[-1]["accuracy"]) == 1.0
    board = EventAccumulator(str(tmp_path / "log-1"))
    board.Reload()
    assert [event.value for event in board.Scalars("loss")] == pytest.approx([float(row["loss"]) for row in rows])
    assert {"loss", "accuracy", "epoch"} <= set(board.Tags()["scalars"])


def test_an_unfamiliar_cluster_around_it_is_none_of_its_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SLURM_NTASKS": "8",
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "folds",
        "SLURM_PROCID": "3",
    }.items():
        monkeypatch.setenv(name, value)
    assert same(run(fresh(), pairs(), PAPER, tmp_path / "there"), _without_slurm(monkeypatch, tmp_path / "here"))


def _without_slurm(monkeypatch: pytest.MonkeyPatch, place: Path) -> Graph:
    monkeypatch.undo()
    return run(fresh(), pairs(), PAPER, place)


@pytest.mark.parametrize("rate", [1e30, float("nan")])
def test_a_loss_that_is_no_number_names_network_epoch_and_remedy(tmp_path: Path, rate: float) -> None:
    message = rf"the loss of the fusion network is (nan|inf) in epoch [12] \(.*dbn\); use a lower rate than {rate}, or"
    with pytest.raises(TrainingError, match=message.replace("+", r"\+")):
        run(fresh(), pairs(), replace(PAPER, rate=rate), tmp_path / "dbn")
    assert not load_trained(fresh(), tmp_path / "dbn", "this")
