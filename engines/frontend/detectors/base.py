"""What every face detector offers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import Eyes, Image

__all__ = ["SEARCH_SIDE", "TRACK_FACE", "Box", "Face", "FaceDetector", "Points", "unscaled"]

Points = npt.NDArray[np.float32]  # [5, 2]: eye on the left of the picture, other eye, nose, corners of the mouth
Box = tuple[float, float, float, float]  # x, y, width, height in pixels

SEARCH_SIDE: Final = 320  # pixels of the longer side of the image in which a face is searched
TRACK_FACE: Final = 48  # pixels to which a face's width is scaled down for `follow`


@dataclass(frozen=True)
class Face:
    """A face.

    Attributes:
        box: x, y, width, height in pixels.
        eyes: both centres, the one on the left of the picture first; None where they were not found.
        score: how sure the detector is, 0 to 1; 1 from detectors that don't say.
        points: five points, where the detector gives them.
    """

    box: Box
    eyes: Eyes | None
    score: float = 1.0
    points: Points | None = field(default=None, compare=False)


class FaceDetector(Protocol):
    """Finds faces. Neither method keeps anything from one image to the next."""

    def search(self, image: Image) -> list[Face]:
        """Every face of an image, uint8 [height, width, 3], BGR."""

    def follow(self, image: Image, box: Box) -> Face | None:
        """Find the face that was at `box` a moment ago, near that place and at about that size; None if it is gone."""


def unscaled(box: npt.ArrayLike, scale: float, corner: tuple[int, int]) -> Box:
    """A box of a scaled part of an image, whose corner lies at `corner` of the image, in pixels of the image."""
    x, y, width, height = (float(v) / scale for v in np.asarray(box, dtype=np.float64))
    return x + corner[0], y + corner[1], width, height
