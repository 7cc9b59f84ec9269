"""The detectors that are compared, each as a function of an image; on one thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import cv2.data
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.detectors.base import FaceDetector
from emostream.engines.frontend.picture import Image, scaled, small_grey
from emostream.trainer.finder.photos import Part

__all__ = ["Detector", "Found", "our_detector", "viola_jones_boxes", "viola_jones_detector", "yunet_detector"]

Found = list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]]  # boxes [4], eyes [2, 2]
Detector = Callable[[Image], Found]


def our_detector(finder: FaceDetector) -> Detector:
    """Ours."""

    def detect(image: Image) -> Found:
        return [(np.array(f.box), np.array(f.eyes) if f.eyes else None) for f in finder.search(image)]

    return detect


def yunet_detector(model: Path, side: int, threshold: float = 0.7) -> Detector:
    """YuNet through OpenCV, as the project calls it, on a picture whose longer side is `side`."""
    net = cv2.FaceDetectorYN.create(str(model), "", (side, side), threshold, 0.3, 500)

    def detect(image: Image) -> Found:
        scale = min(1.0, side / max(image.shape[:2]))
        small = scaled(image, scale)
        net.setInputSize((small.shape[1], small.shape[0]))
        rows = net.detect(small)[1]
        rows = np.zeros((0, 15)) if rows is None else rows.astype(np.float64) / scale
        return [(row[:4], row[4:8].reshape(2, 2)[np.argsort(row[4:8:2])]) for row in rows]

    return detect


def viola_jones_detector(side: int, least: int, adapt: npt.NDArray[np.float64] | None) -> Detector:
    """Viola-Jones with OpenCV's cascade; `adapt` makes its square boxes like the truth's."""
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def detect(image: Image) -> Found:
        scale = min(1.0, side / max(image.shape[:2]))
        grey = small_grey(image, scale)
        found: Found = []
        for x, y, w, _ in cascade.detectMultiScale(grey, 1.1, 5, minSize=(least, least)):
            box = np.array([x, y, w, w], dtype=np.float64) / scale
            if adapt is not None:
                box = np.array(
                    [box[0] + adapt[0] * box[2], box[1] + adapt[1] * box[2], adapt[2] * box[2], adapt[3] * box[2]]
                )
            found.append((box, None))
        return found

    return detect


def viola_jones_boxes(part: Part) -> npt.NDArray[np.float64]:
    """Where the truth's box lies in Viola-Jones' square, in its sides: medians over photographs of the part."""
    detect = viola_jones_detector(320, 48, None)
    rows = []
    for face in part.faces:
        image = cv2.copyMakeBorder(face.image, 60, 60, 60, 60, cv2.BORDER_REPLICATE)
        found = detect(np.asarray(image, dtype=np.uint8))
        if len(found) == 1:
            x, y, w, _ = found[0][0]
            bx, by, bw, bh = face.box + np.array([60, 60, 0, 0])
            rows.append([(bx - x) / w, (by - y) / w, bw / w, bh / w])
    return np.asarray(np.median(rows, axis=0) if rows else (0.0, 0.0, 1.0, 1.0), dtype=np.float64)
