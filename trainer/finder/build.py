"""The training of a face finder from beginning to end; it goes on where it was killed."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from emostream.engines.errors import DataError
from emostream.engines.files import replace_file, replacing
from emostream.engines.frontend.detectors.finder import FINDER_FILES, FaceFinder
from emostream.trainer.finder.export import export_finder
from emostream.trainer.finder.mine import mine
from emostream.trainer.finder.network import Widths
from emostream.trainer.finder.photos import Part, Photos
from emostream.trainer.finder.points import export_points, found_crops, make_crops, train_points
from emostream.trainer.finder.shards import Shard, make_shards
from emostream.trainer.finder.threshold import choose_threshold
from emostream.trainer.finder.train import Recipe, train

__all__ = ["FinderRecipe", "build_finder"]

_log = logging.getLogger("emostream")
_CANDIDATE = 0.08  # score of the finder from which a place in a training picture is cut out for the second look
_LOW = 0.1  # threshold under which the final one is looked for


@dataclass(frozen=True)
class FinderRecipe:
    """How much is made and learnt.

    Attributes:
        shards: of 2048 composites.
        steps: of the finder, 32 pictures each.
        mined_at: steps after which hard negatives are looked for.
        looked_at: pictures without faces that are looked at each time.
        kept: of them, at most.
        crops: made for the second look.
        crops_from: shards in whose pictures the finder's own finds are cut out, too.
        points_steps: of the second look, 128 crops each.
        faceless: validation pictures without faces, for the threshold.
        scenes: validation pictures with three faces.
        widths: of the finder's network.
    """

    shards: int = 16
    steps: int = 12000
    mined_at: tuple[int, ...] = (4000, 7000, 9500)
    looked_at: int = 6000
    kept: int = 1024
    crops: int = 50000
    crops_from: int = 8
    points_steps: int = 8000
    faceless: int = 800
    scenes: int = 150
    widths: Widths = field(default_factory=Widths)


def build_finder(photos: Path, out: Path, teacher: Path, *, recipe: FinderRecipe, threads: int) -> dict[str, float]:
    """Make composites, train the finder with hard negatives, train the second look, and choose the threshold.

    Args:
        photos: folder with `faces_in_photos`, `no_faces`, `fer2013.npz` and `ferplus`.
        out: folder for `FINDER_FILES`; unfinished work lies in `work` inside.
        teacher: YuNet's file.
        recipe: how much.
        threads: of the processor.

    Returns:
        `threshold`, `false` (false faces in 100 faceless validation pictures) and `recall` (percent, of validation
        faces 20 to 160 pixels wide).

    Raises:
        DataError: the photographs are not there.
    """
    read = _photos(photos)
    part, work = read.part("train"), out / "work"
    shards = work / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    make_shards(part, shards, teacher, 0, recipe.shards)
    schedule, checkpoint = Recipe(steps=recipe.steps), work / "finder.pt"
    for number, until in enumerate(recipe.mined_at):
        network = train(shards, checkpoint, schedule, recipe.widths, threads, until)
        mine(network, part, shards, number, recipe.looked_at, recipe.kept, teacher)
    network = train(shards, checkpoint, schedule, recipe.widths, threads)
    finder_file, points_file, settings_file = (out / name for name in FINDER_FILES)
    export_finder(network, finder_file)
    crops, truths = _crops(part, finder_file, work, recipe)
    export_points(train_points(crops, truths, work / "points.pt", recipe.points_steps, threads), points_file)
    finder = FaceFinder(finder_file, points_file, _LOW)
    chosen = choose_threshold(finder, read.part("validation"), recipe.faceless, recipe.scenes)
    replace_file(settings_file, json.dumps(chosen, indent=1).encode())
    return chosen


def _photos(folder: Path) -> Photos:
    for name in ("faces_in_photos/yunet.npz", "no_faces", "fer2013.npz", "ferplus/fer2013_yunet.npz"):
        if not (folder / name).exists():
            raise DataError(
                f"{folder} has no {name}; expected a folder with faces_in_photos, no_faces, fer2013.npz and ferplus"
            )
    return Photos(folder)


def _crops(
    part: Part, finder_file: Path, work: Path, recipe: FinderRecipe
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Crops for the second look: made ones, and what the finder finds in its training pictures."""
    file = work / "crops.npz"
    if not file.exists():
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        made = [make_crops(part, recipe.crops, 2)]
        finder = FaceFinder(finder_file, threshold=_CANDIDATE)
        folders = sorted((work / "shards").glob("hard_*"))
        for folder in [*folders, *sorted((work / "shards").glob("[0-9]*"))[: recipe.crops_from]]:
            shard = Shard.open(folder)
            made.append(found_crops(finder, shard.images, shard.faces))
        crops, truths = (np.concatenate(each) for each in zip(*made, strict=True))
        _log.info("second look: %d crops", len(crops))
        with replacing(file) as unfinished, unfinished.open("wb") as stream:
            np.savez(stream, crops=crops, truths=truths)
    with np.load(file) as data:
        return data["crops"], data["truths"]
