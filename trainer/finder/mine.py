"""Hard negatives: pictures without faces in which the network still sees some."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from emostream.engines.frontend.picture import Image
from emostream.trainer.finder.composites import Composer, Composite
from emostream.trainer.finder.losses import flatten
from emostream.trainer.finder.network import FinderNetwork
from emostream.trainer.finder.photos import Part
from emostream.trainer.finder.shards import SIDE, write_shard
from emostream.trainer.finder.teacher import Teacher

__all__ = ["mine"]

_log = logging.getLogger("emostream")
_BATCH = 32
_SCORE = 0.12  # of the best cell, from which a picture is kept


@torch.no_grad()
def mine(
    network: FinderNetwork, part: Part, shards: Path, number: int, looked_at: int, most: int, teacher: Path
) -> int:
    """Look through new cuts of the pictures without faces, and keep those that fool the network as a shard.

    Args:
        network: as it is now.
        part: of the photographs; the training part.
        shards: folder, in which `hard_NNNN` appears.
        number: of the shard, and the seed.
        looked_at: pictures to look at.
        most: pictures to keep, those with the highest scores.
        teacher: YuNet's file.

    Returns:
        How many were kept.
    """
    folder = shards / f"hard_{number:04d}"
    if folder.exists():
        return 0
    composer = Composer(part, 500_000 + number)
    network.eval()
    kept: list[tuple[float, int, Image]] = []
    fooled = 0
    for start in range(0, looked_at, _BATCH):
        images = [composer.faceless(SIDE, SIDE, negatives=i % 3 > 0) for i in range(_BATCH)]
        pixels = (
            torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
        )
        scores = flatten(network(pixels))[..., 0].amax(dim=1).sigmoid().tolist()
        kept += [
            (score, start + i, image)
            for i, (score, image) in enumerate(zip(scores, images, strict=True))
            if score > _SCORE
        ]
        fooled += sum(score > 0.5 for score in scores)
        kept = sorted(kept, key=lambda k: -k[0])[:most]
    _log.info("hard negatives %d: %d of %d pictures score above 0.5, %d kept", number, fooled, looked_at, len(kept))
    if kept:
        none, points = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
        write_shard(folder, [Composite(i, none, points, none[:, 0]) for _, _, i in kept], Teacher(teacher, SIDE))
    return len(kept)
