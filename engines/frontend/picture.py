"""Parts of pictures, in grey and smaller."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Image", "part", "scaled", "small_grey"]

Image = npt.NDArray[np.uint8]


def part(image: Image, x: float, y: float, width: float, height: float) -> tuple[Image, tuple[int, int]]:
    """A rectangle of the image, cut at its edges, and its corner."""
    x0, y0 = max(0, round(x)), max(0, round(y))
    x1, y1 = min(image.shape[1], round(x + width)), min(image.shape[0], round(y + height))
    return image[y0 : max(y0, y1), x0 : max(x0, x1)], (x0, y0)


def small_grey(image: Image, scale: float) -> Image:
    """A picture in grey, then smaller: it is only a third of the work."""
    return scaled(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8), scale)


def scaled(image: Image, scale: float) -> Image:
    """The image at `scale`, at most 1."""
    if scale == 1.0:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
