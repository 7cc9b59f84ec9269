"""Viola-Jones, the detector of the paper: Haar cascades, which come with OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import cv2.data

from emostream.engines.frontend.detectors.base import SEARCH_SIDE, TRACK_FACE, Box, Face, unscaled
from emostream.engines.frontend.picture import Eyes, Image, part, small_grey

__all__ = ["ViolaJones"]

_TRACK_GROWTH = (0.75, 1.33)  # of a face from one frame to the next; on real clips 0.88 to 1.10
_EYE_FACE = 110  # pixels of the face's side in the picture in which eyes are looked for
_EYE_SHARE = (0.16, 0.36)  # of the face's side


class ViolaJones:
    """Haar cascades (Viola and Jones 2001), which come with OpenCV."""

    def __init__(self) -> None:
        """Load the cascades."""
        folder = Path(cv2.data.haarcascades)
        self._faces = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
        self._eyes = cv2.CascadeClassifier(str(folder / "haarcascade_eye.xml"))

    def search(self, image: Image) -> list[Face]:
        """See `FaceDetector`. Faces narrower than a tenth of the image's longer side are not found."""
        height, width = image.shape[:2]
        scale = min(1.0, SEARCH_SIDE / max(height, width))
        grey = small_grey(image, scale)
        least = SEARCH_SIDE // 10
        found = self._faces.detectMultiScale(grey, 1.1, 5, minSize=(least, least))
        boxes = [unscaled(box, scale, (0, 0)) for box in found]
        return [Face(box, self._find_eyes(image, box)) for box in boxes]

    def follow(self, image: Image, box: Box) -> Face | None:
        """See `FaceDetector`."""
        x, y, side = box[0], box[1], box[2]
        region, corner = part(image, x - 0.25 * side, y - 0.25 * side, 1.5 * side, 1.5 * side)
        if region.size == 0:
            return None
        scale = min(1.0, TRACK_FACE / side)
        grey = small_grey(region, scale)
        least, most = (round(share * side * scale) for share in _TRACK_GROWTH)
        found = self._faces.detectMultiScale(grey, 1.1, 2, minSize=(least, least), maxSize=(most, most))
        boxes = [unscaled(f, scale, corner) for f in found]
        if not boxes:
            return None
        nearest = min(boxes, key=lambda b: abs(b[0] - x) + abs(b[1] - y) + abs(b[2] - side))
        return Face(nearest, self._find_eyes(image, nearest))

    def _find_eyes(self, image: Image, box: Box) -> Eyes | None:
        x, y, side = box[0], box[1], box[2]
        scale = min(1.0, _EYE_FACE / side)
        upper, corner = part(image, x + 0.08 * side, y + 0.2 * side, 0.84 * side, 0.38 * side)
        if upper.size == 0:
            return None
        grey = small_grey(upper, scale)
        half = grey.shape[1] // 2
        least, most = (round(share * side * scale) for share in _EYE_SHARE)
        centres = []
        for offset, half_face, usual in ((0, grey[:, :half], 0.30), (half, grey[:, half:], 0.68)):
            found = self._eyes.detectMultiScale(half_face, 1.15, 2, minSize=(least, least), maxSize=(most, most))
            eyes = [unscaled((ex + offset, ey, ew, eh), scale, corner) for ex, ey, ew, eh in found]
            points = [(ex + ew / 2, ey + eh / 2) for ex, ey, ew, eh in eyes]
            if not points:
                return None
            ux, uy = x + usual * side, y + 0.385 * side
            centres.append(min(points, key=lambda p: abs(p[0] - ux) + abs(p[1] - uy)))
        return centres[0], centres[1]
