"""YuNet through OpenCV, from a model file that the user gives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from emostream.engines.errors import ConfigError
from emostream.engines.frontend.detectors.base import SEARCH_SIDE, TRACK_FACE, Box, Face, unscaled
from emostream.engines.frontend.picture import Image, part, scaled

__all__ = ["YuNet"]


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
            self._net = cv2.FaceDetectorYN.create(str(model), "", (SEARCH_SIDE, SEARCH_SIDE), 0.7, 0.3, 50)
            self.search(np.zeros((SEARCH_SIDE, SEARCH_SIDE, 3), np.uint8))
        except cv2.error as error:
            raise ConfigError(
                f"face model {model} is no YuNet model that OpenCV {cv2.__version__} reads ({error.err}); "
                "expected face_detection_yunet_*.onnx"
            ) from None

    def search(self, image: Image) -> list[Face]:
        """See `FaceDetector`."""
        height, width = image.shape[:2]
        return self._detect(image, min(1.0, SEARCH_SIDE / max(height, width)), (0, 0))

    def follow(self, image: Image, box: Box) -> Face | None:
        """See `FaceDetector`."""
        x, y, width, height = box
        region, corner = part(image, x - 0.5 * width, y - 0.5 * height, 2 * width, 2 * height)
        if region.size == 0:
            return None
        faces = self._detect(region, min(1.0, 2 * TRACK_FACE / width), corner)
        return min(faces, key=lambda f: abs(f.box[0] - x) + abs(f.box[1] - y), default=None)

    def _detect(self, image: Image, scale: float, corner: tuple[int, int]) -> list[Face]:
        small = scaled(image, scale)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, found = self._net.detect(small)
        faces = []
        for row in found if found is not None else []:
            points = [(float(px) / scale + corner[0], float(py) / scale + corner[1]) for px, py in (row[4:6], row[6:8])]
            left, right = sorted(points)
            faces.append(Face(unscaled(row[:4], scale, corner), (left, right)))
        return faces
