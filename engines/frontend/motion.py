"""Where a face is in the next frame, by the motion of its eyes: a tenth of the work of finding them again."""

from __future__ import annotations

from cmath import phase

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.detectors.base import Box
from emostream.engines.frontend.picture import Eyes, Image, part, small_grey

__all__ = ["moved_box", "moved_eyes"]

Points = npt.NDArray[np.float32]

_FACE = 64  # pixels of the face's side in the picture in which its eyes are followed
_WINDOW = (11, 11)  # pixels around each eye: half of the way to the other
_HALVINGS = 2  # of the picture, for motion beyond the window
_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.03)
_MOST_STRAY = 1.0  # pixels between an eye and itself, followed to the next frame and back
_GROWTH = (0.75, 1.33)  # of the distance of the eyes from one frame to the next; on real clips 0.88 to 1.10
_MOST_TURN = 0.25  # radians that the line through both eyes turns in a frame


def moved_eyes(before: Image, after: Image, box: Box, eyes: Eyes) -> Eyes | None:
    """Where the eyes have gone, by pyramidal Lucas-Kanade (Bouguet 2001), there and back.

    Args:
        before: the frame in which the eyes are known, uint8 [height, width, 3], BGR.
        after: the next frame, of the same size.
        box: of the face in `before`.
        eyes: in `before`.

    Returns:
        The eyes in `after`; None where they can't be followed.
    """
    x, y, side = box[0], box[1], box[2]
    old, corner = part(before, x, y + 0.15 * side, side, 0.5 * side)
    new, _ = part(after, x, y + 0.15 * side, side, 0.5 * side)
    if old.size == 0:
        return None
    scale = min(1.0, _FACE / side)
    then, now = small_grey(old, scale), small_grey(new, scale)
    points = ((np.array(eyes) - corner) * scale).astype(np.float32)
    there = _flow(then, now, points)
    back = _flow(now, then, there) if there is not None else None
    if there is None or back is None or np.abs(back - points).max() > _MOST_STRAY:
        return None
    (lx, ly), (rx, ry) = (there / scale + corner).tolist()
    return (lx, ly), (rx, ry)


def moved_box(box: Box, before: Eyes, eyes: Eyes) -> Box | None:
    """The box of a face whose eyes have moved; None where they can't be the same face's."""
    (old_left, old_right), (left, right) = ([complex(*point) for point in pair] for pair in (before, eyes))
    turn = (right - left) / (old_right - old_left)
    if not _GROWTH[0] <= abs(turn) <= _GROWTH[1] or abs(phase(turn)) > _MOST_TURN:
        return None
    centre, old_centre = (left + right) / 2, (old_left + old_right) / 2
    corner = centre + (complex(box[0], box[1]) - old_centre) * abs(turn)
    return corner.real, corner.imag, box[2] * abs(turn), box[3] * abs(turn)


def _flow(old: Image, new: Image, points: Points) -> Points | None:
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        old, new, points, np.empty_like(points), winSize=_WINDOW, maxLevel=_HALVINGS, criteria=_STOP
    )
    return np.asarray(moved, dtype=np.float32) if np.all(found) else None
