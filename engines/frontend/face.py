"""Following one face through a video: the largest one found, kept until it is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.detectors.base import Box, Face, FaceDetector
from emostream.engines.frontend.motion import moved_box, moved_eyes
from emostream.engines.frontend.picture import Eyes, Image, align

__all__ = ["FaceTracker"]

_USUAL_EYES: Eyes = ((0.30, 0.385), (0.68, 0.385))  # in the box of a face, where its eyes were never found
_SEARCH_EVERY_S = 0.1  # while there is no face: a full detection is the dearest thing a frame can cost
_KNOW_EVERY_S = 0.1  # between, a face goes where its eyes go
_KEEP_LOST_S = 0.3
_EQUAL_S = 1e-6  # frame times are sums of fractions: equal ones differ by less than this
_CONFIRMATIONS = 2  # searches in a row that must agree on a face without eyes before it is believed
_SMOOTHING_S = 0.06  # time constant for eyes that barely move; detector jitter looks like motion to a C3D
_FAST = 0.03  # eye movement, in eye distances, that halves the smoothing


@dataclass(frozen=True)
class _Track:
    box: Box
    eyes: Eyes  # in the box, as shares of its width and height
    points: Eyes  # smoothed, in pixels
    seen: float
    known: float  # when it was last found as a face
    image: Image  # the frame in which it was last seen


class FaceTracker:
    """Turns frames into aligned faces. What it gives depends on the frames and their times only, never on load."""

    def __init__(self, detector: FaceDetector) -> None:
        """Start without a face."""
        self._detector = detector
        self._track: _Track | None = None
        self._next_search = float("-inf")
        self._candidate: tuple[Box, int] | None = None

    def update(self, t: float, image: Image) -> FrameFace:
        """Look at the next frame.

        Args:
            t: its time in seconds, later than the one before.
            image: uint8 [height, width, 3], BGR.
        """
        height, width = image.shape[:2]
        if self._track and self._track.image.shape != image.shape:
            self._track = None  # a camera that has changed its size
        self._track = self._follow(t, image) if self._track else self._search(t, image)
        brightness = float(image[::8, ::8].mean())
        if self._track is None:
            return FrameFace(t, (width, height), None, None, brightness)
        x, y, w, h = (round(v) for v in self._track.box)
        points = self._track.points
        return FrameFace(t, (width, height), (x, y, w, h), align(image, points), brightness, points)

    def _follow(self, t: float, image: Image) -> _Track | None:
        track = self._track
        assert track is not None
        if t - track.known < _KNOW_EVERY_S - _EQUAL_S and (moved := self._move(track, t, image)):
            return moved
        face = self._detector.follow(image, track.box)
        if face is None:
            if t - track.seen <= _KEEP_LOST_S + _EQUAL_S:
                return track
            self._next_search = t
            return self._search(t, image)
        eyes = _relative(face.eyes, face.box) if face.eyes else track.eyes
        points = _smoothed(track, _absolute(eyes, face.box), t)
        return _Track(face.box, eyes, points, t, t, image)

    def _move(self, track: _Track, t: float, image: Image) -> _Track | None:
        before = _absolute(track.eyes, track.box)
        eyes = moved_eyes(track.image, image, track.box, before)
        box = moved_box(track.box, before, eyes) if eyes else None
        if eyes is None or box is None:
            return None
        return _Track(box, _relative(eyes, box), _smoothed(track, eyes, t), t, track.known, image)

    def _search(self, t: float, image: Image) -> _Track | None:
        if t < self._next_search - _EQUAL_S:
            return None
        self._next_search = t + _SEARCH_EVERY_S
        face = max(self._detector.search(image), key=_area, default=None)
        if face is None:
            self._candidate = None
            return None
        if not self._confirmed(face):
            return None
        eyes = _relative(face.eyes, face.box) if face.eyes else _USUAL_EYES
        return _Track(face.box, eyes, _absolute(eyes, face.box), t, t, image)

    def _confirmed(self, face: Face) -> bool:
        """A face with both eyes is believed at once; one without must be found again in the same place."""
        if face.eyes:
            self._candidate = None
            return True
        count = 1
        if self._candidate:
            (x, y, w, _), seen = self._candidate
            near = abs(face.box[0] - x) + abs(face.box[1] - y) + abs(face.box[2] - w) < 0.5 * w
            count = seen + 1 if near else 1
        self._candidate = None if count >= _CONFIRMATIONS else (face.box, count)
        return count >= _CONFIRMATIONS


def _area(face: Face) -> float:
    return face.box[2] * face.box[3]


def _relative(eyes: Eyes, box: Box) -> Eyes:
    (lx, ly), (rx, ry) = eyes
    x, y, w, h = box
    return ((lx - x) / w, (ly - y) / h), ((rx - x) / w, (ry - y) / h)


def _absolute(eyes: Eyes, box: Box) -> Eyes:
    (lx, ly), (rx, ry) = eyes
    x, y, w, h = box
    return (x + lx * w, y + ly * h), (x + rx * w, y + ry * h)


def _smoothed(track: _Track, eyes: Eyes, t: float) -> Eyes:
    """A first-order low pass whose time constant shrinks with speed, like the 1 euro filter (Casiez 2012)."""
    old = np.array(track.points)
    new = np.array(eyes)
    distance = float(np.hypot(*(old[1] - old[0])))
    moved = float(np.abs(new - old).max()) / max(distance, 1.0)
    constant = _SMOOTHING_S / (1.0 + moved / _FAST)
    weight = 1.0 - np.exp(-(t - track.seen) / constant)
    (lx, ly), (rx, ry) = (old + weight * (new - old)).tolist()
    return (lx, ly), (rx, ry)
