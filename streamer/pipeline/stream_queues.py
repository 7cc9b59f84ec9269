"""The queues of one stream between its readers, the vision thread, and the segmenting thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from typing_extensions import Self

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.streamer.queues import BoundedQueue, DropPolicy, Watermark

__all__ = ["StreamQueues"]

_WAITING_FRAMES = 8  # 0.27 s at 30 a second: as long as the engine may hold up the vision thread
_WAITING_FACES = 128  # each announced before it is looked at
_WAITING_BLOCKS = 150  # 3 s of audio


@dataclass(frozen=True)
class StreamQueues:
    """Queues of sound, of pictures, and of the faces in them; None where there is no source for them.

    Attributes:
        audio: blocks, from the reader to segmenting.
        frames: pictures, from the reader to vision.
        faces: what vision saw, for segmenting.
        condition: of `audio` and `faces`, so that segmenting can wait for either.
    """

    audio: BoundedQueue[AudioBlock | Watermark] | None
    frames: BoundedQueue[VideoFrame | Watermark] | None
    faces: BoundedQueue[FrameFace | Watermark] | None
    condition: threading.Condition

    @classmethod
    def make(cls, *, audio: bool, video: bool, recorded: bool, drop_frame: Callable[[], None]) -> Self:
        """Make the queues that there are sources for.

        Args:
            audio: whether there is sound.
            video: whether there are pictures.
            recorded: whether a full queue lets its source wait, as recordings can.
            drop_frame: counts a frame for which there was no room.
        """

        def on_drop(item: VideoFrame | FrameFace | Watermark) -> None:
            if not isinstance(item, Watermark):
                drop_frame()

        condition = threading.Condition()
        policy: DropPolicy = "block" if recorded else "drop_oldest"
        return cls(
            BoundedQueue("audio", _WAITING_BLOCKS, policy, condition=condition, mark_loss=_after_loss)
            if audio
            else None,
            BoundedQueue("frames", _WAITING_FRAMES, policy, on_drop=on_drop) if video else None,
            BoundedQueue("faces", _WAITING_FACES, policy, condition=condition, on_drop=on_drop) if video else None,
            condition,
        )

    def __iter__(self) -> Iterator[BoundedQueue[Any]]:
        """Those that there are."""
        return iter(queue for queue in (self.audio, self.frames, self.faces) if queue is not None)


def _after_loss(block: AudioBlock | Watermark) -> AudioBlock | Watermark:
    return block if isinstance(block, Watermark) else replace(block, lost=True)
