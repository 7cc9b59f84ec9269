"""Pictures on their way into a file."""

from __future__ import annotations

import av
import av.codec
import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["even_sided", "fitted", "picture_codec"]

Picture = npt.NDArray[np.uint8]


def picture_codec() -> str:
    """The encoder for pictures: H.264 by x264 where FFmpeg was built with it, else MPEG-4 part 2."""
    return "libx264" if "libx264" in av.codec.codecs_available else "mpeg4"


def even_sided(image: Picture) -> Picture:
    """A picture [height, width, 3] with even sides, as players want them: an odd one's last pixels come twice."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def fitted(image: Picture, width: int, height: int) -> Picture:
    """A picture of another size as large as it fits, in the middle of a black one."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_width, inner_height = (max(1, round(scale * side)) for side in (image.shape[1], image.shape[0]))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    whole = np.zeros((height, width, 3), np.uint8)
    whole[top : top + inner_height, left : left + inner_width] = cv2.resize(
        image, (inner_width, inner_height), interpolation=cv2.INTER_AREA
    )
    return whole
