"""Finding faces and eyes in one image: Viola-Jones as in the paper, or YuNet where the user gives its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import cv2.data
import numpy as np
import numpy.typing as npt

from emostream.engines.errors import ConfigError
from emostream.engines.frontend.picture import Eyes, Image, part, scaled, small_grey

__all__ = ["Box", "Face", "FaceDetector", "ViolaJones", "YuNet", "make_detector"]

Box = tuple[float, float, float, float]  # x, y, width, height in pixels

_SEARCH_SIDE = 320  # pixels of the longer side of the image in which a face is searched
_TRACK_FACE = 48  # pixels of the face's side in the picture in which it is followed
_TRACK_GROWTH = (0.75, 1.33)  # of a face from one frame to the next; on real clips 0.88 to 1.10
_EYE_FACE = 110  # pixels of the face's side in the picture in which eyes are looked for
_EYE_SHARE = (0.16, 0.36)  # of the face's side


@dataclass(frozen=True)
class Face:
    """A face: its box, and both eye centres where they were found."""

    box: Box
    eyes: Eyes | None


class FaceDetector(Protocol):
    """Finds faces. Neither method keeps anything from one image to the next."""

    def search(self, image: Image) -> list[Face]:
        """Every face of an image, uint8 [height, width, 3], BGR."""

    def follow(self, image: Image, box: Box) -> Face | None:
        """The face that was last seen there, looked for near its place and at about its size."""


def make_detector(model: Path | None = None) -> FaceDetector:
    """The detector that the options name, for one thread; this is the one place that chooses.

    Args:
        model: a YuNet model file; without it the detector is Viola-Jones.

    Raises:
        ConfigError: the file is missing or is no YuNet model.
    """
    return ViolaJones() if model is None else YuNet(model)


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
        scale = min(1.0, _SEARCH_SIDE / max(height, width))
        grey = small_grey(image, scale)
        least = _SEARCH_SIDE // 10
        found = self._faces.detectMultiScale(grey, 1.1, 5, minSize=(least, least))
        boxes = [_unscaled(box, scale, (0, 0)) for box in found]
        return [Face(box, self._find_eyes(image, box)) for box in boxes]

    def follow(self, image: Image, box: Box) -> Face | None:
        """See `FaceDetector`."""
        x, y, side = box[0], box[1], box[2]
        region, corner = part(image, x - 0.25 * side, y - 0.25 * side, 1.5 * side, 1.5 * side)
        if region.size == 0:
            return None
        scale = min(1.0, _TRACK_FACE / side)
        grey = small_grey(region, scale)
        least, most = (round(share * side * scale) for share in _TRACK_GROWTH)
        found = self._faces.detectMultiScale(grey, 1.1, 2, minSize=(least, least), maxSize=(most, most))
        boxes = [_unscaled(f, scale, corner) for f in found]
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
            eyes = [_unscaled((ex + offset, ey, ew, eh), scale, corner) for ex, ey, ew, eh in found]
            points = [(ex + ew / 2, ey + eh / 2) for ex, ey, ew, eh in eyes]
            if not points:
                return None
            ux, uy = x + usual * side, y + 0.385 * side
            centres.append(min(points, key=lambda p: abs(p[0] - ux) + abs(p[1] - uy)))
        return centres[0], centres[1]


class YuNet:
    """YuNet (Wu, Peng and Yu 2023) through OpenCV, from a model file that the user gives."""

    def __init__(self, model: Path) -> None:
        """Load the model, `face_detection_yunet_*.onnx`.

        Raises:
            ConfigError: the file is missing or is no YuNet model.
        """
        if not model.is_file():
            raise ConfigError(f"face model {model} does not exist; expected a YuNet model, face_detection_yunet_*.onnx")
        try:
            self._net = cv2.FaceDetectorYN.create(str(model), "", (_SEARCH_SIDE, _SEARCH_SIDE), 0.7, 0.3, 50)
            self.search(np.zeros((_SEARCH_SIDE, _SEARCH_SIDE, 3), np.uint8))
        except cv2.error as error:
            raise ConfigError(
                f"face model {model} is no YuNet model that OpenCV {cv2.__version__} reads ({error.err}); "
                "expected face_detection_yunet_*.onnx"
            ) from None

    def search(self, image: Image) -> list[Face]:
        """See `FaceDetector`."""
        height, width = image.shape[:2]
        return self._detect(image, min(1.0, _SEARCH_SIDE / max(height, width)), (0, 0))

    def follow(self, image: Image, box: Box) -> Face | None:
        """See `FaceDetector`."""
        x, y, width, height = box
        region, corner = part(image, x - 0.5 * width, y - 0.5 * height, 2 * width, 2 * height)
        if region.size == 0:
            return None
        faces = self._detect(region, min(1.0, 2 * _TRACK_FACE / width), corner)
        return min(faces, key=lambda f: abs(f.box[0] - x) + abs(f.box[1] - y), default=None)

    def _detect(self, image: Image, scale: float, corner: tuple[int, int]) -> list[Face]:
        small = scaled(image, scale)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, found = self._net.detect(small)
        faces = []
        for row in found if found is not None else []:
            points = [(float(px) / scale + corner[0], float(py) / scale + corner[1]) for px, py in (row[4:6], row[6:8])]
            left, right = sorted(points)
            faces.append(Face(_unscaled(row[:4], scale, corner), (left, right)))
        return faces


def _unscaled(box: npt.ArrayLike, scale: float, corner: tuple[int, int]) -> Box:
    x, y, width, height = (float(v) / scale for v in np.asarray(box, dtype=np.float64))
    return x + corner[0], y + corner[1], width, height
