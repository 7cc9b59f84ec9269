"""The second look: is it a face, and where are its five points, in a grey crop that shows it upright."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostream.engines.frontend.detectors.finder import POINTS_SIDE, FaceFinder, upright_crop
from emostream.trainer.finder.averaging import AveragedTraining, cosine
from emostream.trainer.finder.composites import Composer, Placement
from emostream.trainer.finder.export import FromPixels, export_graph, folded
from emostream.trainer.finder.light import through_a_camera
from emostream.trainer.finder.network import Separable
from emostream.trainer.finder.photos import Part

__all__ = ["PointsNetwork", "export_points", "found_crops", "make_crops", "train_points"]

_log = logging.getLogger("emostream")
_BATCH = 128
_WARMUP = 200  # steps
_EYES = 2.0  # weight of the eyes among the points
_FACE = 0.003  # weight of the logit's loss
OUTPUTS = 11
_FACE_OVERLAP, _NO_FACE_OVERLAP = 0.5, 0.2  # IoU with a true face from which a place is one, up to which it is none


class PointsNetwork(nn.Module):
    """A grey crop to five points, as shares of its side, and to the logit of its being a face."""

    def __init__(self, width: int = 24) -> None:
        """Build the layers."""
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, 2, 1)
        self.body = nn.Sequential(
            Separable(16, width),
            Separable(width, 2 * width, stride=2),
            Separable(2 * width, 2 * width, kernel=5),
            Separable(2 * width, 2 * width, kernel=5),
            Separable(2 * width, 3 * width, stride=2),
            Separable(3 * width, 3 * width, kernel=5),
            Separable(3 * width, 3 * width, kernel=5),
        )
        self.narrow = nn.Conv2d(3 * width, 24, 1)
        self.last = nn.Linear(24 * 64, OUTPUTS)

    def forward(self, pixels: Tensor) -> Tensor:
        """Look at crops.

        Args:
            pixels: float [n, 1, 64, 64], less 128.

        Returns:
            float [n, 11], x and y of each point, and the logit.
        """
        mean = pixels.mean(dim=(2, 3), keepdim=True)
        away = pixels - mean
        deviation = away.square().mean(dim=(2, 3), keepdim=True).sqrt()
        x = functional.relu(self.stem(away / (deviation + 4)), inplace=True)
        x = functional.relu(self.narrow(self.body(x)), inplace=True)
        last = self.last(x.flatten(1))
        return torch.cat([last[:, :10] * 0.1 + 0.5, last[:, 10:]], dim=1)


def make_crops(
    part: Part, count: int, seed: int, widths: tuple[float, float] = (18, 220)
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Crops as the finder would cut them, for its points are a bit off.

    Returns:
        uint8 [count, 64, 64], and where the points are, float32 [count, 5, 2], as shares of the side.
    """
    cv2.setNumThreads(1)
    rng, composer = np.random.default_rng(seed), Composer(part, seed + 1, small_share=0.2)
    crops = np.empty((count, POINTS_SIDE, POINTS_SIDE), np.uint8)
    truths = np.empty((count, 5, 2), np.float32)
    for index in range(count):
        width = float(np.exp(rng.uniform(np.log(widths[0]), np.log(widths[1]))))
        side = round(max(48, 2.0 * width))
        roll = rng.normal(0, 15) if rng.random() < 0.6 else rng.uniform(-75, 75)
        cover = str(rng.choice(["none", "mask", "glasses", "hand", "hat"], p=[0.55, 0.15, 0.14, 0.08, 0.08]))
        squeeze = rng.uniform(0.75, 1.0) if rng.random() < 0.3 else rng.uniform(0.93, 1.07)
        middle = side / 2 + rng.normal(0, 0.06, 2) * width
        if rng.random() < 0.1:
            middle += rng.uniform(-0.6, 0.6, 2) * width
        place = Placement(
            (float(middle[0]), float(middle[1])), width, float(roll), cover, float(squeeze), float(rng.normal(0, 0.06))
        )
        scene = composer.scene(side, side, [place])
        image = through_a_camera(scene.image, rng)
        crop, matrix = upright_crop(image, _jittered(scene.points[0], rng))
        crops[index] = crop
        truths[index] = (scene.points[0] @ matrix[:, :2].T + matrix[:, 2]) / POINTS_SIDE
    return crops, truths


def found_crops(
    finder: FaceFinder, images: npt.NDArray[np.uint8], faces: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Crops where the finder sees faces in training pictures, rightly or not.

    Args:
        finder: with a low threshold, so that it errs, and without a second look.
        images: uint8 [n, side, side, 3], BGR.
        faces: float32 [n, faces, 15], see `Shard`.

    Returns:
        As `make_crops`; NaN for the points of what is no face.
    """
    crops, truths = [], []
    for image, rows in zip(images, faces, strict=True):
        rows = rows[rows[:, 14] >= 0]
        for face in finder.search(image)[:8]:
            assert face.points is not None
            overlaps = _overlaps(np.array(face.box), rows[:, :4])
            best = float(overlaps.max(initial=0.0))
            if _NO_FACE_OVERLAP < best < _FACE_OVERLAP:
                continue
            if best and rows[overlaps.argmax(), 14] < 0.5:
                continue
            crop, matrix = upright_crop(image, face.points)
            crops.append(crop)
            if best >= _FACE_OVERLAP:
                points = rows[overlaps.argmax(), 4:14].reshape(5, 2)
                truths.append((points @ matrix[:, :2].T + matrix[:, 2]) / POINTS_SIDE)
            else:
                truths.append(np.full((5, 2), np.nan))
    return np.array(crops, np.uint8).reshape(-1, POINTS_SIDE, POINTS_SIDE), np.array(truths, np.float32).reshape(
        -1, 5, 2
    )


def _overlaps(box: npt.NDArray[np.float64], others: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """IoU of a box with others [n, 4]."""
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.clip(high - np.maximum(box[:2], others[:, :2]), 0, None).prod(axis=1)
    return np.asarray(common / (box[2:].prod() + others[:, 2:].prod(axis=1) - common), dtype=np.float64)


def _jittered(points: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Points as the finder might give them."""
    middle = points.mean(axis=0)
    size = float(np.hypot(*(points[1] - points[0])))
    angle, scale = np.radians(rng.normal(0, 14)), math.exp(rng.normal(0, 0.12))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (points - middle) @ turn.T + middle + rng.normal(0, 0.1, 2) * size
    return np.asarray(moved + rng.normal(0, 0.06, (5, 2)) * size, dtype=np.float32)


def train_points(
    crops: npt.NDArray[np.uint8],
    truths: npt.NDArray[np.float32],
    checkpoint: Path,
    steps: int,
    threads: int = 2,
    rate: float = 3e-3,
) -> PointsNetwork:
    """Train, or go on; see `train.train`."""
    torch.set_num_threads(threads)
    network: PointsNetwork = PointsNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = AveragedTraining(
        network, torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2), checkpoint
    )
    started, total = time.monotonic(), 0.0
    weights = torch.tensor([_EYES, _EYES, 1.0, 1.0, 1.0])[:, None]
    while training.step < steps:
        pixels, wanted = _batch(crops, truths, training.step)
        found = training.network(pixels)
        there = torch.isfinite(wanted[:, 0, 0])
        wanted = torch.where(there[:, None, None], wanted, 0.5)
        far = weights * functional.smooth_l1_loss(
            found[:, :10].unflatten(-1, (5, 2)), wanted, reduction="none", beta=0.01
        )
        judged = functional.binary_cross_entropy_with_logits(found[:, 10], there.float())
        loss = (far * there[:, None, None]).sum() / (10 * there.sum().clamp(min=1)) + _FACE * judged
        warm = min(1.0, (training.step + 1) / _WARMUP)
        training.advance(loss, rate * warm * cosine(training.step / steps), last=steps)
        total += float(loss.detach())
        if training.step % 200 == 0:
            _log.info("points: step %d, loss %.5f, %.0f s", training.step, total / 200, time.monotonic() - started)
            total = 0.0
    return training.average


def _batch(crops: npt.NDArray[np.uint8], truths: npt.NDArray[np.float32], step: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng([11, step])
    index = rng.integers(len(crops), size=_BATCH)
    pixels, wanted = crops[index], truths[index].copy()
    mirrored = rng.random(_BATCH) < 0.5
    pixels = np.where(mirrored[:, None, None], pixels[:, :, ::-1], pixels)
    flipped = wanted[:, [1, 0, 2, 4, 3]]
    flipped[..., 0] = (POINTS_SIDE - 1) / POINTS_SIDE - flipped[..., 0]
    wanted = np.where(mirrored[:, None, None], flipped, wanted)
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))[:, None].float() - 128
    return tensor.contiguous(memory_format=torch.channels_last), torch.from_numpy(wanted)


def export_points(network: PointsNetwork, file: Path) -> None:
    """Write the second look: `pixels`, uint8 [1, 64, 64, 1], to `points`, float [1, 11]."""
    example = torch.zeros(1, POINTS_SIDE, POINTS_SIDE, 1, dtype=torch.uint8)
    export_graph(FromPixels(folded(network)), example, ["points"], {}, file)
