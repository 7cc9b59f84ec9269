"""Models of others that emostream can use and does not ship: which file each is, and where it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import platformdirs

__all__ = ["MODELS", "YUNET", "ExternalModel"]


@dataclass(frozen=True)
class ExternalModel:
    """A file from elsewhere, pinned by its hash.

    Attributes:
        name: as `emostream models` takes it.
        file: name of the stored file.
        url: where its makers publish it.
        size: in bytes.
        sha256: of the whole file, in hexadecimal digits.
        licence: of the file.
        about: what it is, in one line.
    """

    name: str
    file: str
    url: str
    size: int
    sha256: str
    licence: str
    about: str

    @property
    def path(self) -> Path:
        """Where it is stored for this user."""
        return Path(platformdirs.user_data_dir("emostream", appauthor=False)) / "models" / self.file

    def stored(self) -> Path | None:
        """The stored file; None where there is none."""
        return self.path if self.path.is_file() else None


YUNET = ExternalModel(
    name="yunet",
    file="face_detection_yunet_2023mar.onnx",
    url="https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
    size=232589,
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    licence="MIT",
    about="YuNet, a face detector with five points, of OpenCV's model zoo",
)

MODELS = {each.name: each for each in (YUNET,)}
"""By the name that the command takes."""
