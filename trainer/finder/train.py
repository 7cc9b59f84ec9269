"""Training the finder from shards; goes on where it was killed."""

from __future__ import annotations

import copy
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emostream.engines.files import replacing
from emostream.trainer.finder.losses import Cells, finder_loss
from emostream.trainer.finder.network import STRIDES, FinderNetwork, Widths
from emostream.trainer.finder.shards import SIDE, Shard

__all__ = ["Recipe", "train"]

_log = logging.getLogger("emostream")
_BATCH = 32
_HARD = 6  # pictures of a batch that are hard negatives, once there are some
_SAVE_EVERY_S = 60.0
_FLIPPED_POINTS = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class Recipe:
    """How long, and with what step.

    Attributes:
        steps: of 32 pictures.
        rate: highest learning rate.
        warmup: steps until it is reached.
        average: decay of the average of the weights.
    """

    steps: int = 20000
    rate: float = 3e-3
    warmup: int = 300
    average: float = 0.999


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
    network = FinderNetwork(widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval()
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-2}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate)
    step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    cells = Cells.of(SIDE, SIDE)
    until = recipe.steps if until is None else until
    saved, sums, count, started = time.monotonic(), dict[str, float](), 0, time.monotonic()
    while step < until:
        for group in optimizer.param_groups:
            group["lr"] = _rate(recipe, step)
        images, teacher, faces = _batch(shards, step)
        network.train()
        losses = finder_loss(network(images), teacher, faces, cells)
        loss = losses["score"] + 2.0 * losses["box"] + 10.0 * losses["points"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        step += 1
        _follow(average, network, min(recipe.average, (1 + step) / (10 + step)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        count += 1
        if count == 100:
            means = {name: round(value / count, 4) for name, value in sums.items()}
            said = ", ".join(f"{name} {value}" for name, value in means.items())
            _log.info("finder: step %d, %s, %.0f s", step, said, time.monotonic() - started)
            sums, count = {}, 0
        if time.monotonic() - saved > _SAVE_EVERY_S or step == until:
            saved = time.monotonic()
            state = {"network": network.state_dict(), "average": average.state_dict(), "step": step}
            state |= {"optimizer": optimizer.state_dict(), "widths": asdict(widths)}
            with replacing(checkpoint) as part, part.open("wb") as stream:
                torch.save(state, stream)
    result: FinderNetwork = average
    return result


def _rate(recipe: Recipe, step: int) -> float:
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


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


@torch.no_grad()
def _follow(average: FinderNetwork, network: FinderNetwork, decay: float) -> None:
    for old, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.mul_(decay).add_(new, alpha=1 - decay)
        else:
            old.copy_(new)
