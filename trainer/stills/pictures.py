"""Still faces with the places of their eyes, found as the streamer finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.detectors.base import Box, FaceDetector
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.frontend.picture import Eyes, align
from emostream.engines.settings import CLIP_FRAMES
from emostream.trainer.datasets.fer2013 import SIDE
from emostream.trainer.processes import each_in_processes

__all__ = ["MEAN_EYES", "Picture", "find_eyes", "still_clip", "still_crop"]

MEAN_EYES: Eyes = ((14.5, 18.2), (32.4, 18.0))
"""Where the eyes of FER2013's faces are on average, in pixels of 48."""

_BORDER = 12  # pixels of replicated edge: faces that fill their picture are found less often
_ENLARGED = 4  # times: the cascades know no face of 48 pixels' width with eyes
_PART = 512
# Eyes that a face of FER2013 can't have are a mistake of the cascade.
_FARTHEST_FROM_MEAN, _LEAST_DISTANCE, _LARGEST_DISTANCE, _LARGEST_SLOPE = 9.0, 11.0, 26.0, 0.45

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """A still face.

    Attributes:
        image: uint8 [height, width], grey.
        eyes: x, y in pixels of the eye on the left of the picture, then of the one on the right.
        seen: whether the eyes were found; otherwise they are the mean places.
    """

    image: Image
    eyes: Eyes
    seen: bool


def find_eyes(images: npt.NDArray[np.uint8], jobs: int) -> list[Picture]:
    """Look for the eyes of FER2013's faces with the streamer's cascades; no picture is left out.

    Args:
        images: uint8 [N, 48, 48], grey.
        jobs: processes.

    Returns:
        The N pictures in order. Where no face with both eyes is found, the eyes are `MEAN_EYES`.
    """
    parts = [_Part(first, images[first : first + _PART]) for first in range(0, len(images), _PART)]
    found: dict[int, list[Eyes | None]] = {}
    for outcome in each_in_processes(_eyes_of, parts, jobs=jobs, name=lambda part: f"faces from {part.first} on"):
        if outcome.error is not None:
            raise outcome.error
        found[outcome.item.first] = outcome.value or []
    eyes = [each for first in sorted(found) for each in found[first]]
    return [Picture(image, each or MEAN_EYES, each is not None) for image, each in zip(images, eyes, strict=True)]


def still_crop(picture: Picture) -> Image:
    """The crop that the streamer makes of a face, uint8 [150, 110, 3], RGB."""
    return align(np.asarray(cv2.cvtColor(picture.image, cv2.COLOR_GRAY2BGR), np.uint8), picture.eyes)


def still_clip(picture: Picture) -> Image:
    """The clip that the streamer makes of a face that doesn't move, uint8 [16, 150, 110, 3], RGB."""
    return np.repeat(still_crop(picture)[None], CLIP_FRAMES, axis=0)


class _Part(NamedTuple):
    """Some of the faces, from one on: uint8 [n, 48, 48]."""

    first: int
    images: npt.NDArray[np.uint8]


def _eyes_of(part: _Part) -> list[Eyes | None]:
    return list(_looked_at(choose_detector().make(), part.images))


def _looked_at(detector: FaceDetector, images: npt.NDArray[np.uint8]) -> Iterator[Eyes | None]:
    whole: Box = (float(_BORDER * _ENLARGED),) * 2 + (float(SIDE * _ENLARGED),) * 2
    for image in images:
        framed = cv2.copyMakeBorder(image, *(_BORDER,) * 4, cv2.BORDER_REPLICATE)
        enlarged = cv2.resize(framed, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
        face = detector.follow(np.asarray(cv2.cvtColor(enlarged, cv2.COLOR_GRAY2BGR), np.uint8), whole)
        if face is None or face.eyes is None:
            yield None
            continue
        left, right = ((_back(x), _back(y)) for x, y in face.eyes)
        yield (left, right) if _plausible((left, right)) else None


def _back(place: float) -> float:
    """From the enlarged picture with its border to the pixels of the original; centres lie on whole numbers."""
    return (place + 0.5) / _ENLARGED - _BORDER - 0.5


def _plausible(eyes: Eyes) -> bool:
    (lx, ly), (rx, ry) = eyes
    off = max(np.hypot(x - mx, y - my) for (x, y), (mx, my) in zip(eyes, MEAN_EYES, strict=True))
    distance = float(np.hypot(rx - lx, ry - ly))
    return bool(
        off <= _FARTHEST_FROM_MEAN
        and _LEAST_DISTANCE <= distance <= _LARGEST_DISTANCE
        and abs(ry - ly) <= _LARGEST_SLOPE * abs(rx - lx)
    )
