"""What receives the pictures and sound of a stream beside recognition, such as the live page and a recording."""

from __future__ import annotations

from typing import Protocol

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame

__all__ = ["MediaListener"]


class MediaListener(Protocol):
    """Is told in the stream's own threads, so it neither waits nor raises, and changes nothing it is given.

    Times are those of the stream's source: monotonic ones of a live source, media times of a recording. Those of
    pictures are free of the camera's delay (`av_offset_ms`).
    """

    def on_picture(self, frame: VideoFrame, face: FrameFace) -> None:
        """Take a picture, and what vision saw in it."""

    def on_sound(self, block: AudioBlock, position: int) -> None:
        """Take a block of sound; `position` is that of its first sample on the grid, in samples."""
