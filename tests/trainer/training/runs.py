"""Trainings of tiny networks on few segments."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.fusion import FC
from emostream.trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from emostream.trainer.networks.inflate import he_weights
from emostream.trainer.training import loop
from emostream.trainer.training.data import Examples, PairSegments, Rows
from emostream.trainer.training.loop import train
from emostream.trainer.training.recipe import RECIPES, Schedule
from tests.trainer.corpora import CPU, LABELS, TINY, TINY_RECIPE

__all__ = ["FOUR_EPOCHS", "PAPER", "before_step", "fresh", "logged", "pairs", "raising", "run", "same"]

FOUR_EPOCHS = replace(TINY_RECIPE.audio, epochs=4)
PAPER = replace(RECIPES["paper"].fusion, epochs=3)


def pairs(count: int = 70) -> PairSegments:
    """Pairs of embeddings, of whose classes the first three audio units know."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % len(LABELS)
    audio, video = (torch.rand(count, size, generator=generator) for size in (10, 8))
    audio[:, :3] += functional.one_hot(labels, 3)
    rows = Rows(torch.arange(count).numpy(), torch.zeros(count, dtype=torch.int64).numpy())
    return PairSegments(audio, video, rows, labels.numpy())


def fresh(role: str = "fusion", dropout: float = 0.3) -> Graph:
    """A network with the same initial weights each time."""
    torch.manual_seed(0)
    graph: Graph
    if role == "audio":
        blank = torch.zeros(3, TINY.audio.input_size, TINY.audio.input_size)
        graph = AudioGraph(AlexNet(3, TINY.audio), TINY.audio, blank - 4, blank + 5)
    elif role == "video":
        graph = VideoGraph(C3D(3, TINY.video), TINY.video, torch.full((1, 1, 1, 1), 110.0), 50.0)
    else:
        graph = FusionGraph(FC(3, 10, 8, replace(TINY.fusion, scaling="standard", dropout=dropout)), 10, 8)
    he_weights(graph.network, torch.Generator().manual_seed(0))
    return graph


def run(graph: Graph, examples: Examples, schedule: Schedule, place: Path, identity: str = "this") -> Graph:
    train(graph, examples, schedule, place, seed=2**32 - 5, compute=CPU, identity=identity)
    return graph


def same(first: Graph, second: Graph) -> bool:
    """Bit for bit."""
    one, other = first.state_dict(), second.state_dict()
    assert one.keys() == other.keys()
    return all(
        torch.equal(one[name], other[name]) if torch.is_tensor(one[name]) else one[name] == other[name] for name in one
    )


def before_step(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> list[int]:
    """Do something before that step of all that follow, from 0; the epochs of the steps that were begun."""
    original, epochs = loop._Classifier.training_step, []

    def step(self: loop._Classifier, batch: list[Any]) -> Tensor:
        epochs.append(self.current_epoch)
        if len(epochs) == number + 1:
            act()
        return original(self, batch)

    monkeypatch.setattr(loop._Classifier, "training_step", step)
    return epochs


def logged(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act
