"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.trainer.networks.presets import PRESETS

__all__ = [
    "MAX_SEED",
    "AudioWeights",
    "Cache",
    "DatasetName",
    "Epochs",
    "FaceModel",
    "FreezeConv",
    "Jobs",
    "Labels",
    "Merge",
    "Modality",
    "Precision",
    "PresetName",
    "RecipeName",
    "Root",
    "Seed",
    "SegmentChoice",
    "Threads",
    "VideoOrder",
    "VideoWeights",
]

MAX_SEED = 2**32 - 1
_DATASETS = "rml|enterface05|baum1s|ravdess|cremad|savee|csv"

Root = Annotated[Path, typer.Argument(metavar="PATH", help="The data set's folder, as its owners distribute it.")]
DatasetName = Annotated[str, typer.Option("--dataset", metavar=_DATASETS, help="Which data set it is.")]
Labels = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="The classes to keep, in order; the paper's six if not given.")
]
Merge = Annotated[str | None, typer.Option(metavar="A=B,...", help="Classes taken for others, such as calm=neutral.")]
Modality = Annotated[
    str, typer.Option(metavar="audio|video|both", help="Which files, where the owners ship them apart.")
]
Cache = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for cut segments, about 1.5 MB a second; the user's cache.")
]
FaceModel = Annotated[
    Path | None, typer.Option(metavar="FILE", help="YuNet's ONNX file, to find faces with it instead of Viola-Jones.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Processes side by side; 0 is one for each core, or one on a GPU.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of each; they decide the last bits of a training.")]
PresetName = Annotated[str, typer.Option("--preset", metavar="|".join(PRESETS), help="Size of the networks.")]
RecipeName = Annotated[
    str, typer.Option("--recipe", metavar="paper|scratch", help="The paper's for pre-trained weights, or ours.")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs of every training, instead of the recipe's.")]
FreezeConv = Annotated[bool, typer.Option("--freeze-conv", help="Train the dense layers alone.")]
AudioWeights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Initial weights of the AlexNet, such as torchvision's.")
]
VideoWeights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Initial weights of the C3D: Sports-1M's, or a 2-D network's.")
]
VideoOrder = Annotated[
    str, typer.Option(metavar="auto|bgr|rgb", help="Colours that the video weights expect; told by their names.")
]
SegmentChoice = Annotated[
    str, typer.Option("--segments", metavar="all|voiced", help="Whose sound serves: all, or those with speech.")
]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Equal seeds give equal results on equal machines.")]
Precision = Annotated[str, typer.Option(metavar="auto|32-true|bf16-mixed|16-mixed", help="Arithmetic of training.")]
