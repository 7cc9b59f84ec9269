"""One Matroska file with pictures, sound and captions, all on the axis of their stream.

It can be played up to where it ends, wherever that is: a cluster is written for each second, and each is whole by
itself. What a clean end adds is the length, and an index for jumping about. Sound is FLAC, so it begins where it
should, and loses nothing but what 16 bits can't hold; pictures are H.264.
"""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from emostream.engines.media.video import even_sided, fitted, picture_codec
from emostream.engines.settings import SAMPLE_RATE

__all__ = ["MediaFile"]

_MUXER = {
    "cluster_time_limit": "1000",  # ms; what is not in a cluster yet is lost when the process is killed
    "max_interleave_delta": "1000000",  # us; captions may wait, pictures don't wait for them
    "flush_packets": "1",
}
_X264: dict[str, object] = {"preset": "veryfast", "tune": "zerolatency", "crf": "21", "g": "60"}
_USUAL_FPS = 30
_TICK = Fraction(1, 1000)  # Matroska's
_SILENCE = SAMPLE_RATE  # samples of silence that are written at once


class _Sink:
    """A new file that takes what it is given whole, or raises: FFmpeg doesn't ask how much was written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) or 0 :]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


class MediaFile:
    """Writes a file. Only one thread may. The constructor opens nothing; `open` makes the file.

    Attributes:
        pictures: how many were written.
        sound_end: samples of sound that were written.
    """

    def __init__(self, path: Path, title: str) -> None:
        """Write to `path`, which must not exist yet."""
        self._path, self._title = path, title
        self.pictures = self.sound_end = 0
        self._last_picture = self._last_caption = -1
        self._video: VideoStream | None = None
        self._audio: AudioStream | None = None

    def open(self, size: tuple[int, int] | None, *, sound: bool) -> None:
        """Make the file.

        Args:
            size: width and height of the pictures, to which those of another size are fitted; None for no pictures.
            sound: whether there is sound.

        Raises:
            OSError: it can't be made.
        """
        self._file = _Sink(self._path)
        self._output = av.open(self._file, "w", format="matroska", options=_MUXER)
        self._output.metadata["title"] = self._title
        if size is not None:
            self._video = self._add_video(size)
        if sound:
            self._audio = self._output.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
            self._audio.codec_context.format = "s16"
        # PyAV adds a track of text only after the pattern of another one.
        with av.open(io.BytesIO(b"1\n00:00:00,000 --> 00:00:01,000\n-\n\n"), format="srt") as pattern:
            self._captions = self._output.add_stream_from_template(pattern.streams.subtitles[0])

    @property
    def has_sound(self) -> bool:
        """Whether there is a track of sound."""
        return self._audio is not None

    def add_picture(self, t: float, image: npt.NDArray[np.uint8]) -> None:
        """Write a picture, uint8 [height, width, 3], BGR, unless it is not later than the one before."""
        tick = round(t / _TICK)
        if self._video is None or tick <= self._last_picture:
            return
        picture = fitted(even_sided(image), self._video.width, self._video.height)
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts, frame.time_base = tick, _TICK
        self._output.mux(self._video.encode(frame))
        self._last_picture = tick
        self.pictures += 1

    def add_sound(self, samples: npt.NDArray[np.float32]) -> None:
        """Write float32 mono samples of 16 kHz behind those that were written."""
        if self._audio is None or not samples.size:
            return
        block = np.round(32767 * samples.clip(-1.0, 1.0)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="mono")
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts = self.sound_end
        self._output.mux(self._audio.encode(frame))
        self.sound_end += samples.size

    def add_silence(self, until: int) -> None:
        """Write silence up to sample `until`."""
        while self.sound_end < until:
            self.add_sound(np.zeros(min(_SILENCE, until - self.sound_end), np.float32))

    def add_caption(self, start: float, end: float, text: str) -> None:
        """Write a caption, in seconds, that begins later than the one before."""
        tick = round(start / _TICK)
        if tick <= self._last_caption:
            return
        packet = av.Packet(text.encode())
        packet.stream, packet.time_base = self._captions, _TICK
        packet.pts = packet.dts = tick
        packet.duration = max(round(end / _TICK) - tick, 1)
        self._output.mux(packet)
        self._last_caption = tick

    def close(self, *, whole: bool) -> None:
        """Close it.

        Args:
            whole: nothing has failed, so write what the encoders hold back, and the index.

        Raises:
            OSError: there is no room for that.
        """
        try:
            if whole:
                for track in (self._video, self._audio):
                    if track is not None:
                        self._output.mux(track.encode(None))
                self._output.close()
        finally:
            self._file.close()

    def _add_video(self, size: tuple[int, int]) -> VideoStream:
        codec = picture_codec()
        video = cast(VideoStream, self._output.add_stream(codec, rate=_USUAL_FPS))
        video.width, video.height = (side + side % 2 for side in size)
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = _TICK
        video.codec_context.thread_count = 1  # the engine needs the cores
        if codec == "libx264":
            video.options = _X264
        else:
            video.bit_rate = max(2_000_000, video.width * video.height * 6)
        return video
