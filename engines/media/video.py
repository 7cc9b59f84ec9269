"""Video: decoded frames as upright BGR pictures with square pixels, the size of a JPEG, and pictures for an encoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.codec
import av.error
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

__all__ = ["VideoFrame", "VideoUnpacker", "even_sided", "fitted", "jpeg_size", "picture_codec"]

_WIDEST = 4  # a pixel; beyond, what a track says is damage
_MOST_PIXELS = 1 << 24  # of a picture that is stretched; 4K video has half of them
_SET_BACK_S = 1.0  # frames out of order are off by less

Picture = npt.NDArray[np.uint8]

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame (ITU T.81, table B.1)
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # without a length


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """A frame of video: its time and duration in seconds, and uint8 [height, width, 3] in BGR."""

    t: float
    image: npt.NDArray[np.uint8]
    duration: float = 0.0

    @property
    def end(self) -> float:
        """Time until which it is shown, in seconds."""
        return self.t + self.duration


class VideoUnpacker:
    """Turns decoded frames of one track into pictures with rising times."""

    def __init__(self, usual_fps: float, *, aspect: Fraction | None = None, live: bool = False) -> None:
        """Make one for a track.

        Args:
            usual_fps: its frame rate, for frames that don't say when they come or how long they last.
            aspect: width of its pixels by their height; None where it doesn't say, as most.
            live: the sender's clock may be set back by more than a second, and the times begin afresh there.
        """
        self._usual_s = 1.0 / usual_fps
        self._aspect = aspect if aspect is not None and 1 / _WIDEST <= aspect <= _WIDEST else Fraction(1)
        self._live = live
        self._last = float("-inf")
        self._reformatter = VideoReformatter()  # a frame's own would be set up for that frame alone

    def push(self, frame: av.VideoFrame) -> Iterator[VideoFrame]:
        """The picture of one more frame; none if its time is not later than the last one's, or it is too damaged."""
        t = frame.time if frame.time is not None else max(self._last + self._usual_s, 0.0)
        if t <= self._last and not (self._live and t < self._last - _SET_BACK_S):
            return
        try:
            image = self._upright(frame)
        except av.error.FFmpegError:  # damage that only looks like a picture
            return
        self._last = t
        duration = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else self._usual_s
        yield VideoFrame(t, image, duration)

    def _upright(self, frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
        """The picture as it is meant to be seen.

        Phones store theirs turned, with the angle beside it, and camcorders squeezed, with the shape of a pixel.
        """
        width, height = _square(frame.width, frame.height, self._aspect)
        seen = self._reformatter.reformat(frame, width=width, height=height, format="bgr24")
        image = np.asarray(seen.to_ndarray(), dtype=np.uint8)
        turns = round(frame.rotation / 90) % 4  # counter-clockwise
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _square(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """Size of a picture once its pixels are square; none is lost, and what would be too large is left."""
    seen = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return seen if seen[0] * seen[1] <= _MOST_PIXELS else (width, height)


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


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where the data are no JPEG."""
    if data[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        if marker in _BARE_MARKERS or marker == 0xFF:  # 0xFF fills
            place += 1 if marker == 0xFF else 2
            continue
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return None
