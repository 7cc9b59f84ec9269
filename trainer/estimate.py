"""How long a reproduction will take on this machine, from a few steps of each network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from emostream.trainer.fusion.pretrain import pretrain
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.fusion import DBN
from emostream.trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from emostream.trainer.protocol.methods import FUSIONS
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import SHORT_WINDOW
from emostream.trainer.training.compute import Compute, limit_threads
from emostream.trainer.training.data import (
    ClipSegments,
    Examples,
    MelSegments,
    PairSegments,
    Rows,
    face_rows,
    voice_rows,
)
from emostream.trainer.training.loop import make_ready
from emostream.trainer.training.recipe import Schedule
from emostream.trainer.training.stages import TrainingPlan

__all__ = ["Estimate", "estimate"]

_STEPS = 2
_RBM_BATCHES = 4  # making a machine takes as long as some of its steps


@dataclass(frozen=True)
class Estimate:
    """Seconds that one fold takes, by part."""

    audio: float
    video: float
    fusion: float

    @property
    def fold(self) -> float:
        """All parts together."""
        return self.audio + self.video + self.fusion


@dataclass(frozen=True)
class _Cost:
    """Seconds an example."""

    train: float
    embed: float


def estimate(corpus: Corpus, plan: TrainingPlan, folds: int, threads: int) -> Estimate:
    """Time a few steps of each network, and count how many a fold has.

    SVMs and reading from a slow disk are not in it.

    Args:
        corpus: every recording.
        plan: how each fold is trained.
        folds: of the protocol, which say how much of the corpus a fold trains on.
        threads: of a CPU, for each fold.
    """
    limit_threads(threads)
    classes, preset, recipe, compute = len(corpus.classes), plan.preset, plan.recipe, plan.compute
    share = 1 - 1 / folds
    heard, seen = voice_rows(corpus.segments, plan.which), face_rows(corpus.segments)
    short = sum(each.mel_count(SHORT_WINDOW) for each in corpus.segments)
    blank = torch.zeros(3, preset.audio.input_size, preset.audio.input_size)
    audio = _cost(
        AudioGraph(AlexNet(classes, preset.audio), preset.audio, blank, blank + 1),
        MelSegments(corpus.segments, heard.only(slice(recipe.audio.batch)), corpus.labels),
        recipe.audio,
        compute,
    )
    mean = torch.zeros(preset.video.planes, 1, 1, 1)
    video = _cost(
        VideoGraph(C3D(classes, preset.video), preset.video, mean, 64.0),
        ClipSegments(corpus.segments, seen.only(slice(recipe.video.batch)), corpus.labels),
        recipe.video,
        compute,
    )
    sizes = (preset.audio.embedding, preset.video.embedding)
    network = DBN(classes, *sizes, preset.fusion)
    first, second = (torch.rand(recipe.fusion.batch, size) for size in sizes)
    rows = Rows(*np.zeros((2, recipe.fusion.batch), np.int64))
    fusion = _cost(
        FusionGraph(network, *sizes), PairSegments(first, second, rows, corpus.labels), recipe.fusion, compute
    )
    once, many = replace(recipe.rbm, epochs=1), _RBM_BATCHES * recipe.rbm.batch
    first, second = (torch.rand(many, size) for size in sizes)
    machines = _timed(lambda: pretrain(network, first, second, once, 0)) / many

    pairs = min(len(heard.recording), len(seen.recording)) * share
    rates = len(recipe.rbm_rates) if len(recipe.rbm_rates) > 1 else 0
    networks = len(FUSIONS) - 1 + rates  # one of the scalings is the preset's own
    pretrained = sum(variant.kind == "dbn" and variant.pretrained for variant in FUSIONS.values()) - 1 + rates
    windows = len(heard.recording) + short
    return Estimate(
        audio=windows * (share * recipe.audio.epochs * audio.train + audio.embed) + len(heard.recording) * audio.embed,
        video=len(seen.recording) * (share * recipe.video.epochs * video.train + 2 * video.embed),
        fusion=pairs
        * (networks * (recipe.fusion.epochs * fusion.train + fusion.embed) + pretrained * recipe.rbm.epochs * machines),
    )


def _cost(graph: Graph, examples: Examples, schedule: Schedule, compute: Compute) -> _Cost:
    """Steps on one batch, as the training takes them, reading it included."""
    count = len(examples)
    if not count:
        return _Cost(0.0, 0.0)
    make_ready(graph.to(compute.device).train(), schedule)
    optimiser = torch.optim.SGD([each for each in graph.parameters() if each.requires_grad], lr=0.0)

    def batch() -> tuple[list[torch.Tensor], torch.Tensor]:
        items = [examples[index] for index in range(count)]
        inputs = [torch.stack(column).to(compute.device) for column in zip(*(each[0] for each in items), strict=True)]
        return inputs, torch.stack([each[1] for each in items]).to(compute.device)

    def step() -> None:
        inputs, labels = batch()
        kind = torch.float16 if compute.precision == "16-mixed" else torch.bfloat16
        with torch.autocast(compute.device.type, kind, enabled=compute.precision != "32-true"):
            loss = functional.cross_entropy(graph.logits(*inputs).float(), labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if compute.accelerator == "gpu":
            torch.cuda.synchronize()

    @torch.inference_mode()
    def look() -> None:
        graph(*batch()[0]).cpu()

    return _Cost(_timed(step) / count, _timed(look) / count)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of one call, the first of all left out."""
    work()
    begun = time.perf_counter()
    for _ in range(_STEPS):
        work()
    return (time.perf_counter() - begun) / _STEPS
