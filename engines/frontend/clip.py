"""Clips: frames of any camera on a grid of 30 a second, and the sixteen of them that one segment keeps."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.grid import tick_seconds
from emostream.engines.frontend.picture import Eyes
from emostream.engines.settings import CLIP_FRAMES

__all__ = ["REACH_S", "FrameFace", "TickTrack", "select_clip_frames"]

REACH_S = 0.1  # a frame further away than this does not serve a tick
_TIE_S = 1e-6  # frames this equally near count as equally near, and the earlier one serves

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class FrameFace:
    """What was seen in one frame of video.

    Attributes:
        t: grid time in seconds.
        size: width and height of the frame in pixels.
        box: x, y, width, height of the face in pixels of the frame; None without a face.
        crop: uint8 [150, 110, 3], RGB, eyes aligned; None without a face.
        brightness: mean grey level of the frame, 0 to 255.
        eyes: x, y of both eyes in pixels of the frame, the left one in the picture first; None without a face.
    """

    t: float
    size: tuple[int, int]
    box: tuple[int, int, int, int] | None
    crop: npt.NDArray[np.uint8] | None
    brightness: float
    eyes: Eyes | None = None


class TickTrack:
    """Which frame serves each tick of the 30 fps grid: the nearest in time, at most 100 ms away."""

    def __init__(self) -> None:
        """Start at tick 0 with no frame."""
        self._ticks: deque[FrameFace | None] = deque()
        self._first = 0
        self._last: FrameFace | None = None

    @property
    def _next(self) -> int:
        return self._first + len(self._ticks)

    def push(self, frame: FrameFace) -> None:
        """Take the next frame; every tick up to its time is then decided.

        Raises:
            ValueError: the frame is not later than the one before.
        """
        if self._last is not None and frame.t <= self._last.t:
            raise ValueError(f"a frame at {frame.t} s came after one at {self._last.t} s; expected rising times")
        while (time := tick_seconds(self._next)) <= frame.t + _TIE_S:
            nearer = frame
            if self._last is not None and time - self._last.t <= frame.t - time + _TIE_S:
                nearer = self._last
            self._ticks.append(_within_reach(nearer, time))
        self._last = frame

    def decide_until(self, stop: int) -> None:
        """Decide the ticks before `stop` with the frames there are: no better one will come in time."""
        while self._next < stop:
            self._ticks.append(_within_reach(self._last, tick_seconds(self._next)))

    def span(self, first: int, stop: int) -> list[FrameFace | None]:
        """The frames that serve ticks `first` to `stop` - 1, all decided and not forgotten."""
        return [self._ticks[tick - self._first] for tick in range(first, stop)]

    def forget(self, before: int) -> None:
        """Drop the ticks before `before`."""
        while self._ticks and self._first < before:
            self._ticks.popleft()
            self._first += 1


def select_clip_frames(frames: Sequence[Item]) -> list[Item]:
    """The sixteen frames of a clip from the L of a segment (paper, section III-A).

    With L >= 16 the first floor((L - 16) / 2) and the last ceil((L - 16) / 2) are dropped; with fewer the first
    and the last are repeated likewise.

    Raises:
        ValueError: there is no frame.
    """
    surplus = len(frames) - CLIP_FRAMES
    if not frames:
        raise ValueError("a clip needs at least one frame, got none")
    if surplus >= 0:
        return list(frames[floor(surplus / 2) : len(frames) - ceil(surplus / 2)])
    before = floor(-surplus / 2)
    return [frames[0]] * before + list(frames) + [frames[-1]] * (-surplus - before)


def _within_reach(frame: FrameFace | None, time: float) -> FrameFace | None:
    return frame if frame is not None and abs(frame.t - time) <= REACH_S + _TIE_S else None
