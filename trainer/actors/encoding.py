"""Pictures and sound as a file; its suffix chooses the container.

The encoders run on one thread each, so that equal input gives equal bytes on any number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from emostream.engines.errors import ConfigError, PublishError
from emostream.trainer.actors.voice import SAMPLE_RATE_HZ

__all__ = ["SUFFIXES", "encode"]

_BLOCK = 1024  # samples, the length of AAC's frames


class _Container(NamedTuple):
    """How one kind of file is written."""

    muxer: str
    picture_codec: str
    sound_codec: str
    sample_format: str


_CONTAINERS = {
    ".mp4": _Container("mp4", "libx264", "aac", "fltp"),
    ".mkv": _Container("matroska", "libx264", "aac", "fltp"),
    ".avi": _Container("avi", "mpeg4", "pcm_s16le", "s16"),
}
SUFFIXES = tuple(_CONTAINERS)


def encode(
    path: Path,
    sound: NDArray[np.float32],
    pictures: Iterator[NDArray[np.uint8]],
    size: tuple[int, int],
    fps: int,
) -> None:
    """Write both tracks side by side, both from time 0 on.

    Args:
        path: the file, replaced if it exists; .mp4 and .mkv hold H.264 (MPEG-4 part 2 where x264 is missing) and
            AAC, .avi holds MPEG-4 part 2 and PCM.
        sound: float32 [n], mono 16 kHz, within [-1, 1].
        pictures: uint8 [H, W, 3], BGR, each.
        size: width and height in pixels, both even.
        fps: frames a second.

    Raises:
        ConfigError: another suffix, or a size or a rate that can't be encoded.
        PublishError: the file can't be written.
    """
    if path.suffix not in _CONTAINERS:
        raise ConfigError(f"{path} is of no kind that can be written; name it {', '.join(f'*{s}' for s in SUFFIXES)}")
    if min(size) < 2 or size[0] % 2 or size[1] % 2:
        raise ConfigError(f"size {size[0]}x{size[1]} can't be encoded; give an even width and height")
    if fps < 1:
        raise ConfigError(f"a rate of {fps!r} frames a second can't be encoded; give at least 1")
    kind = _CONTAINERS[path.suffix]
    try:
        with av.open(str(path), "w", format=kind.muxer, options={"fflags": "+bitexact"}) as container:
            _write(container, kind, sound, pictures, size, fps)
    except OSError as error:
        raise PublishError(f"can't write {path}: {error.strerror}; choose another path") from error


def _write(
    container: av.container.OutputContainer,
    kind: _Container,
    sound: NDArray[np.float32],
    pictures: Iterator[NDArray[np.uint8]],
    size: tuple[int, int],
    fps: int,
) -> None:
    codec = kind.picture_codec if kind.picture_codec in av.codecs_available else "mpeg4"
    video = cast(av.VideoStream, container.add_stream(codec, rate=fps))
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    video.codec_context.time_base = Fraction(1, fps)
    video.codec_context.thread_count = 1
    video.bit_rate = 2_000_000
    if codec == "libx264":
        video.options = {"preset": "superfast", "bf": "0"}
    audio = cast(av.AudioStream, container.add_stream(kind.sound_codec, rate=SAMPLE_RATE_HZ, layout="mono"))
    if kind.sound_codec == "aac":
        audio.bit_rate = 64_000
    position = 0
    for index, picture in enumerate(pictures):
        planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, fps)
        container.mux(video.encode(frame))
        while position < min((index + 1) / fps * SAMPLE_RATE_HZ, len(sound)):
            position = _write_block(container, audio, kind.sample_format, sound, position)
    while position < len(sound):
        position = _write_block(container, audio, kind.sample_format, sound, position)
    container.mux(video.encode(None))
    container.mux(audio.encode(None))


def _write_block(
    container: av.container.OutputContainer,
    audio: av.AudioStream,
    sample_format: str,
    sound: NDArray[np.float32],
    position: int,
) -> int:
    """Encode a block of samples; return the position after it."""
    part = sound[None, position : position + _BLOCK]
    block = np.round(32767 * part).astype(np.int16) if sample_format == "s16" else part
    frame = av.AudioFrame.from_ndarray(block, format=sample_format, layout="mono")
    frame.pts, frame.sample_rate = position, SAMPLE_RATE_HZ
    frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
    container.mux(audio.encode(frame))
    return position + part.size
