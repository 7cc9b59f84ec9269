"""Turns parsed options into objects: the data set, its segments, a training plan, folders."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import platformdirs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from emostream.engines.errors import ConfigError
from emostream.trainer.commands.options import ComputeOptions, DataOptions, TrainingOptions
from emostream.trainer.cores import usable_cores
from emostream.trainer.networks.presets import PRESETS

if TYPE_CHECKING:
    from emostream.engines.frontend.detectors.choose import DetectorChoice
    from emostream.trainer.datasets.base import DataSet
    from emostream.trainer.segments.corpus import Corpus
    from emostream.trainer.segments.prepare import PreparedSet
    from emostream.trainer.training.compute import Compute
    from emostream.trainer.training.stages import TrainingPlan

__all__ = [
    "command_line",
    "cut_segments",
    "plan_of",
    "prepared",
    "side_by_side",
    "train_extra",
    "work_place",
]

_EXTRA = {
    "lightning",
    "matplotlib",
    "onnx",
    "onnxscript",
    "openpyxl",
    "scipy",
    "sklearn",
    "tensorboard",
    "threadpoolctl",
    "torch",
}


@contextmanager
def train_extra() -> Iterator[None]:
    """Turn a missing package of the `train` extra into an error that says how to install it.

    Raises:
        ConfigError: a package of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        raise ConfigError(
            f'training needs the package {missing}, which is not installed; pip install "emostream[train]"'
        ) from None


def work_place(out: Path, option: str, given: Path | None = None) -> Path:
    """The folder for unfinished trainings, which is refused before hours of cutting and training if it can't be made.

    Args:
        out: what is made in the end.
        option: which names another folder.
        given: by the user, instead of OUT.work.

    Raises:
        ConfigError: it is a file or below one, or closed to the user.
    """
    place = given or out.absolute().with_name(f"{out.absolute().name}.work")
    there = next(each for each in (place, *place.parents) if os.path.lexists(each))
    if not there.is_dir():
        reason = f"{there} is no folder"
    elif not os.access(there, os.W_OK):
        reason = f"{there} is closed to you"
    else:
        return place
    raise ConfigError(f"unfinished work can't be kept in {place}: {reason}; name another folder with {option}")


def command_line() -> str:
    """The command as it was typed, but for the folders that files and the data lie in: they are nobody's business."""
    words = [Path(word).name if os.sep in word else word for word in sys.argv[1:]]
    return shlex.join(["emostream-train", *words])


def side_by_side(jobs: int, threads: int, compute: Compute) -> int:
    """How many trainings run at once: what was asked for, else as many as the cores carry, or one on a GPU."""
    if jobs:
        return jobs
    return 1 if compute.accelerator == "gpu" else max(1, usable_cores() // threads)


def prepared(data: DataOptions, jobs: int, console: Console) -> tuple[PreparedSet, Corpus, float]:
    """Read a data set and cut what is not cut yet, with a progress bar.

    Returns:
        The recordings, the same as training sees them, and the seconds of them that had to be cut.

    Raises:
        EmostreamError: it can't be read or cut.
    """
    from emostream.engines.frontend.detectors.choose import choose_detector

    detector = choose_detector(data.face_detector, data.face_model)
    return cut_segments(data.read(), data.cache, detector, jobs, console)


def cut_segments(
    dataset: DataSet, cache: Path | None, detector: DetectorChoice, jobs: int, console: Console
) -> tuple[PreparedSet, Corpus, float]:
    """Cut what is not cut yet of a data set that has been read, with a progress bar; the rest is `prepared`'s."""
    from emostream.trainer.segments.corpus import Corpus
    from emostream.trainer.segments.prepare import prepare, store_of

    cache = cache or Path(platformdirs.user_cache_dir("emostream")) / "segments"
    cut = 0.0
    with Progress(
        TextColumn("cutting segments"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=len(dataset.recordings))

        def advance(recording: object, seconds: float) -> None:
            nonlocal cut
            cut += seconds
            bar.update(task, advance=1, description=getattr(recording, "name", ""))

        found = prepare(dataset, cache, jobs=jobs or usable_cores(), detector=detector, progress=advance)
    return found, Corpus.of(found, store_of(cache, detector)), cut


def plan_of(training: TrainingOptions, compute: ComputeOptions, console: Console) -> TrainingPlan:
    """How to train, from the options; prints what the networks take from files of initial weights.

    Raises:
        ConfigError: an option that isn't one, or weights that don't fit.
    """
    from emostream.trainer.training.compute import Compute
    from emostream.trainer.training.recipe import RECIPES
    from emostream.trainer.training.stages import TrainingPlan

    chosen = RECIPES[_one_of("recipe", training.recipe, tuple(RECIPES))]
    chosen = chosen.with_epochs(training.epochs) if training.epochs else chosen
    chosen = chosen.with_frozen_convolutions() if training.freeze_conv else chosen
    order: dict[str, bool | None] = {"auto": None, "bgr": True, "rgb": False}
    segments = _one_of("segments", training.segments, ("all", "voiced"))
    which: Literal["all", "voiced"] = "all" if segments == "all" else "voiced"
    plan = TrainingPlan(
        preset=PRESETS[_one_of("preset", training.preset, tuple(PRESETS))],
        recipe=chosen,
        audio_weights=training.audio_weights,
        video_weights=training.video_weights,
        video_bgr=order[_one_of("video-order", training.video_order, tuple(order))],
        which=which,
        seed=compute.seed,
        compute=Compute.best(compute.precision),
    )
    for report in plan.initial_weights():
        console.print(str(report), markup=False, highlight=False)
    if training.freeze_conv and not (training.audio_weights and training.video_weights):
        console.print("Warning: --freeze-conv leaves random convolutions as they are where no weights are given.")
    return plan


def _one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ConfigError(f"--{option} {value} is unknown; choose {' or '.join(known)}")
    return value
