"""Pictures of the front end: parts of them, in grey, smaller, and the eye-aligned crop of a face (paper, III-A)."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.settings import CROP_HEIGHT, CROP_WIDTH

__all__ = ["LEFT_EYE", "RIGHT_EYE", "Eyes", "Image", "align", "part", "scaled", "similarity", "small_grey"]

Image = npt.NDArray[np.uint8]

# The eye on the left and the one on the right of the picture, 55 pixels apart.
LEFT_EYE = (27.5, 50.0)
RIGHT_EYE = (82.5, 50.0)

Eyes = tuple[tuple[float, float], tuple[float, float]]


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


def similarity(eyes: Eyes) -> tuple[complex, complex]:
    """The transform that brings the eyes to their places, z -> a z + b on pixels x + y i: a and b.

    Pixel centres lie on whole numbers.

    Args:
        eyes: x, y in pixels of the eye on the left of the picture, then of the one on the right.
    """
    (lx, ly), (rx, ry) = eyes
    a = complex(RIGHT_EYE[0] - LEFT_EYE[0], RIGHT_EYE[1] - LEFT_EYE[1]) / complex(rx - lx, ry - ly)
    return a, complex(*LEFT_EYE) - a * complex(lx, ly)


def align(image: npt.NDArray[np.uint8], eyes: Eyes) -> npt.NDArray[np.uint8]:
    """Turn, scale and shift a face by one similarity transform, so that its eyes come to their places.

    Args:
        image: uint8 [height, width, 3], BGR.
        eyes: x, y in pixels of the eye on the left of the picture, then of the one on the right.

    Returns:
        uint8 [150, 110, 3], RGB; what lies outside the image repeats its edge.
    """
    a, b = similarity(eyes)
    # A large face is shrunk by whole factors first: sampling it directly would alias.
    factor = int(1.0 / abs(a))
    source = image
    if factor > 1:
        source, (x0, y0) = _reduced(image, a, b, factor)
        # A pixel p of the reduced picture is centred on x0 + factor p + (factor - 1) / 2 of the image.
        b += a * complex(x0 + (factor - 1) / 2, y0 + (factor - 1) / 2)
        a *= factor
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    crop = cv2.warpAffine(
        source, matrix, (CROP_WIDTH, CROP_HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _reduced(
    image: npt.NDArray[np.uint8], a: complex, b: complex, factor: int
) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """The part of the image that the crop shows, shrunk by `factor`, and its corner in the image."""
    height, width = image.shape[:2]
    corners = [(complex(x, y) - b) / a for x in (0, CROP_WIDTH) for y in (0, CROP_HEIGHT)]
    margin = 2 * factor
    x0 = int(np.clip(min(c.real for c in corners) - margin, 0, width - factor))
    y0 = int(np.clip(min(c.imag for c in corners) - margin, 0, height - factor))
    x1 = int(np.clip(max(c.real for c in corners) + margin, x0 + factor, width))
    y1 = int(np.clip(max(c.imag for c in corners) + margin, y0 + factor, height))
    columns, rows = (x1 - x0) // factor, (y1 - y0) // factor
    part = image[y0 : y0 + rows * factor, x0 : x0 + columns * factor]
    return np.asarray(cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.uint8), (x0, y0)
