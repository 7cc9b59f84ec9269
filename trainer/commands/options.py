"""The options that several commands share, each stated once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emostream.engines.errors import ConfigError
from emostream.engines.settings import FACE_DETECTORS
from emostream.trainer.networks.presets import PRESETS

if TYPE_CHECKING:
    from emostream.trainer.datasets.base import DataSet

__all__ = [
    "MAX_SEED",
    "BundleFolder",
    "Cache",
    "ComputeOptions",
    "DataOptions",
    "Jobs",
    "TrainingOptions",
    "Work",
]

MAX_SEED = 2**32 - 1
_DATASETS = "rml|enterface05|baum1s|ravdess|cremad|savee|csv"
_MERGE = re.compile(r"([^=,]+)=([^=,]+)")

BundleFolder = Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; must not exist, or be empty.")]
Cache = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for cut segments, about 1.5 MB a second; the user's cache.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Processes side by side; 0 is one for each core, or one on a GPU.")]
Work = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of unfinished trainings; OUT.work if not given.")
]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which recordings, and how they are cut."""

    root: Annotated[Path, typer.Argument(metavar="PATH", help="The data set's folder, as its owners distribute it.")]
    dataset: Annotated[str, typer.Option(metavar=_DATASETS, help="Which data set it is.")]
    labels: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="The classes to keep, in order; the paper's six if not given.")
    ] = None
    merge: Annotated[
        str | None, typer.Option(metavar="A=B,...", help="Classes taken for others, such as calm=neutral.")
    ] = None
    modality: Annotated[
        str, typer.Option(metavar="audio|video|both", help="Which files, where the owners ship them apart.")
    ] = "both"
    cache: Cache = None
    face_detector: Annotated[
        str, typer.Option(metavar=f"auto|{'|'.join(FACE_DETECTORS)}", help="What finds the faces.")
    ] = "auto"
    face_model: Annotated[
        Path | None,
        typer.Option(metavar="FILE|FOLDER", help="YuNet's ONNX file, or a finder's folder, to find faces with."),
    ] = None

    def read(self) -> DataSet:
        """The recordings.

        Raises:
            ConfigError: an option that isn't one.
            DataError: the folder isn't that data set's.
        """
        from emostream.trainer.datasets.base import ReadOptions
        from emostream.trainer.datasets.choose import read_dataset

        options = ReadOptions(
            labels=tuple(self.labels.split(",")) if self.labels else None,
            merge=_merge(self.merge),
            modality=self.modality,  # type: ignore[arg-type]
        )
        return read_dataset(self.dataset, self.root, options)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Which networks, and how they are trained."""

    preset: Annotated[str, typer.Option(metavar="|".join(PRESETS), help="Size of the networks.")]
    recipe: Annotated[str, typer.Option(metavar="paper|scratch", help="The paper's for pre-trained weights, or ours.")]
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of every training, instead of the recipe's.")] = None
    freeze_conv: Annotated[bool, typer.Option("--freeze-conv", help="Train the dense layers alone.")] = False
    audio_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Initial weights of the AlexNet, such as torchvision's.")
    ] = None
    video_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Initial weights of the C3D: Sports-1M's, or a 2-D network's.")
    ] = None
    video_order: Annotated[
        str, typer.Option(metavar="auto|bgr|rgb", help="Colours that the video weights expect; told by their names.")
    ] = "auto"
    segments: Annotated[str, typer.Option(metavar="all|voiced", help="Whose sound serves: all, or those with speech.")]


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """How a training is computed."""

    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Equal seeds give equal results on equal machines.")
    ] = 0
    precision: Annotated[
        str, typer.Option(metavar="auto|32-true|bf16-mixed|16-mixed", help="Arithmetic of training.")
    ] = "auto"
    jobs: Jobs = 0
    threads: Annotated[int, typer.Option(min=1, help="Threads of each; they decide the last bits of a training.")] = 1


def _merge(text: str | None) -> dict[str, str]:
    found = {}
    for part in text.split(",") if text else ():
        match = _MERGE.fullmatch(part)
        if match is None:
            raise ConfigError(f"--merge {part!r} names no two classes; expected such as calm=neutral")
        found[match[1]] = match[2]
    return found
