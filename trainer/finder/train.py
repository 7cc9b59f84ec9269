"""Training the finder from shards; goes on where it was killed."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emostream.engines.frontend.detectors.finder import STRIDES
from emostream.trainer.finder.averaging import AveragedTraining, cosine
from emostream.trainer.finder.losses import Cells, finder_loss
from emostream.trainer.finder.network import FinderNetwork, Widths
from emostream.trainer.finder.shards import SIDE, Shard

__all__ = ["Recipe", "train"]

_log = logging.getLogger("emostream")
_BATCH = 32
_HARD = 6  # pictures of a batch that are hard negatives, once there are some
_FLIPPED_POINTS = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class Recipe:
    """How long, and with what step.

    Attributes:
        steps: of 32 pictures.
        rate: highest learning rate.
        warmup: steps until it is reached.
    """

    steps: int = 20000
    rate: float = 3e-3
    warmup: int = 300


def train(
    shards: Path, checkpoint: Path, recipe: Recipe, widths: Widths, threads: int = 2, until: int | None = None
) -> FinderNetwork:
    """Train, or go on.

    Args:
        shards: folder of composites, `NNNN`, and hard negatives, `hard_NNNN`; new ones are taken as they appear.
        checkpoint: file that is written every minute and read at the start.
        recipe: steps and rates.
        widths: of the network.
        threads: of the processor.
        until: step at which to stop; the recipe's last, if none is given.

    Returns:
        The network with averaged weights.
    """
    torch.set_num_threads(threads)
    network: FinderNetwork = FinderNetwork(widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-2}, {"params": plain, "weight_decay": 0.0}]
    training = AveragedTraining(network, torch.optim.AdamW(groups, lr=recipe.rate), checkpoint)
    cells = Cells.of(SIDE, SIDE)
    until = recipe.steps if until is None else until
    sums, count, started = dict[str, float](), 0, time.monotonic()
    while training.step < until:
        images, teacher, faces = _batch(shards, training.step)
        losses = finder_loss(training.network(images), teacher, faces, cells)
        loss = losses["score"] + 2.0 * losses["box"] + 10.0 * losses["points"]
        training.advance(loss, _rate(recipe, training.step), last=until, longest=5.0)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        count += 1
        if count == 100:
            means = {name: round(value / count, 4) for name, value in sums.items()}
            said = ", ".join(f"{name} {value}" for name, value in means.items())
            _log.info("finder: step %d, %s, %.0f s", training.step, said, time.monotonic() - started)
            sums, count = {}, 0
    return training.average


def _rate(recipe: Recipe, step: int) -> float:
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.rate * cosine(share)


def _batch(shards: Path, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, float [n, 3, SIDE, SIDE], the teacher's scores and the faces; chosen by the step's number."""
    rng = np.random.default_rng([7, step])
    names = sorted(p.name for p in shards.iterdir() if not p.name.endswith(".part"))
    plain = [name for name in names if not name.startswith("hard")]
    hard = [name for name in names if name.startswith("hard")]
    chosen = [(plain[rng.integers(len(plain))], _BATCH - (_HARD if hard else 0))]
    chosen += [(hard[rng.integers(len(hard))], _HARD)] if hard else []
    images, teacher, faces = [], [], []
    for name, count in chosen:
        shard = Shard.open(shards / name)
        index = np.sort(rng.choice(len(shard.images), count, replace=len(shard.images) < count))
        images.append(shard.images[index])
        teacher.append(shard.teacher[index])
        faces.append(shard.faces[index])
    pixels, scores, labels = np.concatenate(images), np.concatenate(teacher), np.concatenate(faces)
    if rng.random() < 0.5:
        pixels, scores, labels = _mirrored(pixels, scores, labels)
    tensor = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, size=(len(pixels), 3, 1, 1)).astype(np.float32))
    lift = torch.from_numpy(rng.uniform(-15, 15, size=(len(pixels), 1, 1, 1)).astype(np.float32))
    tensor = (tensor * gain + lift).clamp(0, 255).contiguous(memory_format=torch.channels_last)
    return tensor, torch.from_numpy(scores).float() / 255, torch.from_numpy(labels)


def _mirrored(
    pixels: npt.NDArray[np.uint8], scores: npt.NDArray[np.uint8], faces: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    maps, start = [], 0
    for stride in STRIDES:
        side = SIDE // stride
        one = scores[:, start : start + side * side].reshape(-1, side, side)[:, :, ::-1]
        maps.append(one.reshape(len(scores), -1))
        start += side * side
    faces = faces.copy()
    there = faces[..., 14] >= 0
    faces[..., 0] = np.where(there, SIDE - faces[..., 0] - faces[..., 2], 0)
    points = faces[..., 4:14].reshape(*faces.shape[:2], 5, 2)[:, :, _FLIPPED_POINTS].copy()
    points[..., 0] = SIDE - points[..., 0]
    faces[..., 4:14] = points.reshape(*faces.shape[:2], 10)
    return pixels[:, :, ::-1], np.concatenate(maps, axis=1), faces
