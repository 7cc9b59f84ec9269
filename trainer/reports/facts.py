"""What a run was: data, settings, machine and everything that was cut short, in plain values."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from emostream.engines.archive import sha256_of
from emostream.engines.errors import ConfigError, DataError
from emostream.trainer.cores import usable_cores
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.reports.preparation import Preparation
from emostream.trainer.segments.prepare import PreparedSet
from emostream.trainer.training.recipe import RECIPES, Recipe
from emostream.trainer.training.stages import TrainingPlan

__all__ = ["FoldFacts", "RunFacts", "Training", "WeightFile", "machine_name"]

_PARTS = {"audio": "audio network", "video": "video network", "rbm": "Boltzmann machines", "fusion": "fusion networks"}


@dataclass(frozen=True)
class WeightFile:
    """A file of initial weights: its name without folders, and its SHA-256 in hexadecimal."""

    name: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> WeightFile:
        """Hash a file.

        Raises:
            ConfigError: it can't be read.
        """
        try:
            return cls(path.name, sha256_of(path))
        except OSError as error:
            raise ConfigError(f"initial weights {path} can't be read: {error.strerror}; put them back") from None


@dataclass(frozen=True)
class Training:
    """How the networks were trained.

    Attributes:
        preset: name of their sizes.
        recipe: name of the schedules.
        epochs: by part: audio, video, rbm (each machine of a DBN), fusion.
        initial_weights: of the audio and the video network; None for random ones.
        video_bgr: whether those of the video network see BGR less the mean of Sports-1M; None to tell by their names.
        segments: whose sound serves, "all" or "voiced".
        seed: of all randomness.
        precision: of the arithmetic of training, as Lightning names it.
    """

    preset: str
    recipe: str
    epochs: dict[str, int]
    initial_weights: dict[str, WeightFile | None]
    video_bgr: bool | None
    segments: str
    seed: int
    precision: str

    @classmethod
    def of(cls, plan: TrainingPlan) -> Training:
        """Describe a plan.

        Raises:
            ConfigError: a file of initial weights can't be read.
        """
        files = {"audio": plan.audio_weights, "video": plan.video_weights}
        return cls(
            preset=plan.preset.name,
            recipe=plan.recipe.name,
            epochs=_epochs(plan.recipe),
            initial_weights={name: WeightFile.of(path) if path else None for name, path in files.items()},
            video_bgr=plan.video_bgr,
            segments=plan.which,
            seed=plan.seed,
            precision=plan.compute.precision,
        )


@dataclass(frozen=True)
class FoldFacts:
    """One fold.

    Attributes:
        held_out: its test subjects.
        rates: accuracy on inner subjects, 0 to 1, by rate of the Boltzmann machines; None where there was no choice.
        seconds: since it was last started.
    """

    held_out: tuple[str, ...]
    rates: dict[str, float | None]
    seconds: float

    @property
    def rate(self) -> str:
        """The rate that was taken: the best on inner subjects, the first of equals."""
        return max(self.rates, key=lambda rate: self.rates[rate] or 0.0)

    @classmethod
    def read(cls, place: Path) -> FoldFacts:
        """Read `fold.json` of a finished fold.

        Raises:
            DataError: it is missing or damaged.
        """
        file = place / "fold.json"
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            rates = {
                str(rate): None if accuracy is None else float(accuracy)
                for rate, accuracy in found["machines_rate"].items()
            }
            facts = cls(
                held_out=tuple(map(str, found["held_out"])),
                rates=rates,
                seconds=float(found["seconds"]),
            )
        except OSError as error:
            raise DataError(f"{file} can't be read: {error.strerror}; run the same command again") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{file} is damaged ({error!r}); remove it and run the same command again") from None
        if not rates:
            raise DataError(f"{file} names no rate of the machines; remove it and run the same command again")
        return facts


@dataclass(frozen=True)
class RunFacts:
    """A run, as `run.json` holds it.

    Attributes:
        dataset: name of the data set, as `--dataset` takes it.
        labels: the classes, in the order of class axes.
        protocol: who is held out together, "subjects" (one each) or "five-groups".
        folds: those that were run, by name.
        folds_of_all: how many the protocol has.
        preparation: of the recordings.
        training: of the networks.
        shortened: a sentence for each thing that was made smaller than the recipe and the protocol say.
        version: of emostream.
        command: the command line.
        date: of the report, UTC.
        machine: processor and GPU that the report was written on.
        cores: logical processors of that machine that could be used.
        seconds: from the command's start to the report.
    """

    dataset: str
    labels: tuple[str, ...]
    protocol: str
    folds: dict[str, FoldFacts]
    folds_of_all: int
    preparation: Preparation
    training: Training
    shortened: tuple[str, ...]
    version: str
    command: str
    date: str
    machine: str
    cores: int
    seconds: float

    @classmethod
    def of(
        cls,
        prepared: PreparedSet,
        plan: TrainingPlan,
        every_fold: Sequence[Fold],
        places: Mapping[str, Path],
        *,
        command: str,
        seconds: float,
    ) -> RunFacts:
        """Describe a run that has just ended, on this machine.

        Args:
            prepared: the data set.
            plan: how each fold was trained.
            every_fold: of the protocol, run or not.
            places: folders of the folds that were run, by name.
            command: the command line as a report may show it.
            seconds: from its start until now.

        Raises:
            DataError: a fold's `fold.json` is missing or damaged.
            ConfigError: a file of initial weights can't be read.
        """
        folds = {name: FoldFacts.read(place) for name, place in places.items()}
        return cls(
            dataset=prepared.dataset.name,
            labels=prepared.dataset.labels,
            protocol=prepared.dataset.protocol,
            folds=folds,
            folds_of_all=len(every_fold),
            preparation=Preparation.of(prepared),
            training=Training.of(plan),
            shortened=(*_shorter(plan.recipe), *_fewer(folds, len(every_fold))),
            version=version("emostream"),
            command=command,
            date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            machine=machine_name(),
            cores=usable_cores(),
            seconds=round(seconds, 1),
        )

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


def _epochs(recipe: Recipe) -> dict[str, int]:
    return {part: getattr(recipe, part).epochs for part in _PARTS}


def _shorter(recipe: Recipe) -> list[str]:
    """What a recipe has less of than the one whose name it bears."""
    full = RECIPES.get(recipe.name, recipe)
    own, usual = _epochs(recipe), _epochs(full)
    found = [
        f"The {name} trained for {own[part]} epochs; recipe {recipe.name} has {usual[part]}."
        for part, name in _PARTS.items()
        if own[part] != usual[part]
    ]
    frozen = [
        part
        for part in ("audio", "video")
        if getattr(recipe, part).freeze_convolutions > getattr(full, part).freeze_convolutions
    ]
    if frozen:
        found.append(f"Convolutions of the {' and the '.join(frozen)} network stayed as they were given.")
    return found


def _fewer(folds: Mapping[str, FoldFacts], every: int) -> list[str]:
    if len(folds) == every:
        return []
    return [f"{len(folds)} of {every} folds were run: {', '.join(folds)}. All figures are of their recordings alone."]


def machine_name() -> str:
    """Name of the processor, and of the GPU if PyTorch can use one."""
    names = [_processor()]
    if gpus := torch.cuda.device_count():
        names.append(f"{gpus} x {torch.cuda.get_device_name(0)}")
    return ", ".join(names)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
