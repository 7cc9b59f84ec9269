"""What the page shows of a stream's pictures and sound."""

from __future__ import annotations

import json
import math
import struct
import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.pipeline.stream import Stream

__all__ = ["Picture", "StreamPreview"]

_WIDEST = 640  # pixels that a picture is sent with
_QUALITY = 75  # of its JPEG, in percent
_LENGTH = struct.Struct("<I")
_LEVEL_SAMPLES = SAMPLE_RATE // 10
_QUIETEST = 1e-20


@dataclass(frozen=True)
class Picture:
    """A picture for viewers: its number, and the message that shows it.

    The message is the length of a JSON object (4 bytes, little endian), the object (`stream`, `number`, the `size` of
    the camera's picture, and in its pixels `face` and `eyes`, null without a face), and a JPEG.
    """

    number: int
    message: bytes


class StreamPreview:
    """The newest picture and the loudness of one stream, kept while somebody looks.

    Attributes:
        stream: whose it is.
        watched: whether anybody looks; else nothing is kept.
        loudness: of the last tenth of a second, in dB of full scale; None before there was any.
    """

    def __init__(self, stream: Stream) -> None:
        """Watch a stream that has not begun."""
        self.stream = stream
        self.watched = False
        self._seen: tuple[int, VideoFrame, FrameFace] | None = None
        self._count = 0
        self._picture: Picture | None = None
        self._lock = threading.Lock()
        self._heard = (0.0, 0)  # sum of squares, and samples
        self.loudness: float | None = None
        stream.media_listeners.append(self)

    def on_picture(self, frame: VideoFrame, face: FrameFace) -> None:
        """See `MediaListener`."""
        if self.watched:
            self._count += 1
            self._seen = (self._count, frame, face)

    def on_sound(self, block: AudioBlock, position: int) -> None:
        """See `MediaListener`."""
        if self.watched:
            power, count = self._heard
            power, count = power + float(np.square(block.samples).sum()), count + block.samples.size
            if count >= _LEVEL_SAMPLES:
                self.loudness = round(10.0 * math.log10(max(power / count, _QUIETEST)), 1)
                power, count = 0.0, 0
            self._heard = (power, count)

    def picture(self, after: int) -> Picture | None:
        """The newest picture; None if its number is not above `after`. Viewers share the work of packing it."""
        seen = self._seen
        if seen is None or seen[0] <= after:
            return None
        with self._lock:
            if self._picture is None or self._picture.number < seen[0]:
                self._picture = _packed(self.stream.name, *seen)
            return self._picture

    def watch(self, watched: bool) -> None:
        """Begin to keep what comes, or forget it; what was seen before somebody looked is nobody's."""
        if watched != self.watched:
            self._seen = self._picture = self.loudness = None
            self.watched = watched


def _packed(stream: str, number: int, frame: VideoFrame, face: FrameFace) -> Picture:
    image: Any = frame.image
    height, width = image.shape[:2]
    if width > _WIDEST:
        image = cv2.resize(image, (_WIDEST, max(1, round(height * _WIDEST / width))), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    about = {"stream": stream, "number": number, "size": (width, height), "face": face.box, "eyes": face.eyes}
    header = json.dumps(about).encode()
    return Picture(number, b"".join((_LENGTH.pack(len(header)), header, jpeg.tobytes())))
