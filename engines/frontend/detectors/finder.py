"""A face finder of our own: box, score and five points of every face, with two small networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.errors import ConfigError
from emostream.engines.frontend.detectors.base import TRACK_FACE, Box, Face, Points
from emostream.engines.frontend.detectors.network import Backend, SmallNetwork, load_network
from emostream.engines.frontend.picture import Image, part, scaled

__all__ = ["FINDER_FILES", "POINTS_SIDE", "STRIDES", "FaceFinder", "upright", "upright_crop"]

FINDER_FILES = ("finder.onnx", "points.onnx", "finder.json")
"""What a trained finder's folder holds: both networks, and its thresholds."""

STRIDES = (8, 16, 32)
"""Pixels of the input between the cells of each of the finder's three maps."""

POINTS_SIDE = 64
"""Side in pixels of the crop in which the second look finds points."""

_SEARCH_SIDE = 640  # pixels of the longer side of the image in which faces are searched
_TRACK_SIDE = 128  # pixels of that picture: one size, so that nothing is compiled while frames wait
_GRID = 32  # pixels, of which the network wants multiples
_GREY = 128  # what is beyond the picture
_SAME_FACE = 0.4  # IoU of two boxes from which they are one face
_PART_OF_FACE = 0.75  # share of the smaller of two boxes in the larger from which they are one face
_TRACK_SCORE = 0.8  # of the threshold, for a face that was there a moment ago
_NEAR = 0.75  # face widths that a followed face may move
_GROWTH = (0.6, 1.6)  # of a followed face
_POINTS_EYES = 0.36  # distance of the eyes in that picture, as a share of its side
_POINTS_MIDDLE = 0.40  # height of the eyes in it
_MOST_FACES = 24  # at which a second look is taken in one image
# Of faces, sqrt(width * height) in pixels of the input. Chosen on the validation part: 52 for 8 lost 72-pixel faces.
_LARGEST = {8: 38.0, 16: 124.0, 32: float("inf")}
_MOST_CELLS = 400  # that are looked at more closely in one image


class FaceFinder:
    """Finds faces with `finder.onnx`, and their points once more with `points.onnx`. See `FaceDetector`."""

    def __init__(
        self,
        model: Path,
        points: Path | None = None,
        threshold: float = 0.5,
        candidate: float = 0.15,
        backend: Backend = "openvino",
    ) -> None:
        """Load the networks.

        Args:
            model: the finder.
            points: the second look at each found face; without it, points are those of the finder.
            threshold: score from which something is a face; its logit is the mean of both networks'.
            candidate: score of the finder alone from which a second look is taken.
            backend: what runs them, on one thread.
        """
        self._finder: SmallNetwork = load_network(model, backend)
        self._points: SmallNetwork | None = load_network(points, backend) if points else None
        self._threshold = threshold
        self._candidate = threshold if points is None else candidate

    @classmethod
    def load(cls, folder: Path, backend: Backend = "openvino") -> FaceFinder:
        """Load the finder that `emostream-train finder` has written into a folder.

        Raises:
            ConfigError: a file is missing or damaged.
        """
        model, points, settings = (folder / name for name in FINDER_FILES)
        for file in (model, points, settings):
            if not file.is_file():
                raise ConfigError(
                    f"face finder {folder} has no {file.name}; expected the folder that emostream-train finder wrote"
                )
        try:
            threshold = float(json.loads(settings.read_text(encoding="utf-8"))["threshold"])
            if not 0.0 < threshold < 1.0:
                raise ValueError(f"threshold {threshold} is not between 0 and 1")
            return cls(model, points, threshold, backend=backend)
        except Exception as error:  # noqa: BLE001 - runtimes raise errors of many kinds
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"face finder {folder} can't be loaded: {reason}; train or copy it again") from None

    def search(self, image: Image) -> list[Face]:
        """Every face of an image, uint8 [height, width, 3], BGR."""
        image = _checked(image)
        scale = min(1.0, _SEARCH_SIDE / max(image.shape[:2]))
        small = _padded(scaled(image, scale))
        return self._judged(image, self._find(small, scale, (0, 0), self._candidate), self._threshold)

    def follow(self, image: Image, box: Box) -> Face | None:
        """The face that was last seen there, looked for near its place and at about its size."""
        image = _checked(image)
        x, y, width, height = box
        middle = x + width / 2, y + height / 2
        scale = min(1.0, TRACK_FACE / width) if width > 0 else 1.0
        side = _TRACK_SIDE / scale
        region, corner = part(image, middle[0] - side / 2, middle[1] - side / 2, side, side)
        if region.size == 0:
            return None
        small = scaled(region, scale)[:_TRACK_SIDE, :_TRACK_SIDE]
        faces = self._find(_padded(small, _TRACK_SIDE), scale, corner, self._candidate * _TRACK_SCORE)
        near = [f for f in faces if _GROWTH[0] < f.box[2] / width < _GROWTH[1] and _moved(f.box, box) < _NEAR]
        face = min(near, key=lambda f: _moved(f.box, box), default=None)
        return next(iter(self._judged(image, [face], self._threshold * _TRACK_SCORE)), None) if face else None

    def _find(self, pixels: Image, scale: float, corner: tuple[int, int], threshold: float) -> list[Face]:
        rows = _cells(self._finder(pixels[None]), threshold)
        if not len(rows):
            return []
        rows = rows[_best(rows[:, 1:5], rows[:, 0])]
        rows[:, 1:] /= scale
        rows[:, 1:3] += corner
        rows[:, 5:] += np.tile(np.asarray(corner, dtype=np.float32), 5)
        return [_face(row[1:5], row[5:].reshape(5, 2), float(row[0])) for row in rows]

    def _judged(self, image: Image, faces: list[Face], threshold: float) -> list[Face]:
        """The faces that a second look confirms, with its points."""
        return [f for f in (self._refined(image, f) for f in faces[:_MOST_FACES]) if f.score >= threshold]

    def _refined(self, image: Image, face: Face) -> Face:
        if self._points is None or face.points is None:
            return face
        grey, matrix = upright_crop(image, face.points)
        values = self._points(grey[None, :, :, None])[0][0]
        inverse = cv2.invertAffineTransform(matrix)
        points = values[:10].reshape(5, 2) * POINTS_SIDE @ inverse[:, :2].T + inverse[:, 2]
        first = np.log(face.score / max(1 - face.score, 1e-6))
        score = float(1 / (1 + np.exp(-(first + values[10]) / 2)))
        return _face(np.asarray(face.box), points.astype(np.float32), score)


def upright(points: Points) -> npt.NDArray[np.float64]:
    """What brings a face with these points upright into the picture of the second look, [2, 3].

    The eyes and the corners of the mouth decide: less can go wrong than with the eyes alone.
    """
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = (points[1] - points[0]) + (points[4] - points[3])
    down = mouth - eyes
    axis = across / 2 + np.array([down[1], -down[0]])  # the second, turned by a right angle, points along the first
    angle = np.arctan2(axis[1], axis[0])
    size = max(float(np.hypot(*(points[1] - points[0]))), 0.85 * float(np.hypot(*down)), 1.0)
    scale = _POINTS_EYES * POINTS_SIDE / size
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, s], [-s, c]])
    to = np.array([POINTS_SIDE / 2, _POINTS_MIDDLE * POINTS_SIDE])
    return np.hstack([linear, (to - linear @ eyes)[:, None]])


def upright_crop(image: Image, points: Points) -> tuple[Image, npt.NDArray[np.float64]]:
    """The picture of the second look, and what brings the image's pixels into it.

    Args:
        image: uint8 [height, width, 3], BGR.
        points: of the face, as the finder sees them.

    Returns:
        uint8 [POINTS_SIDE, POINTS_SIDE], grey, and [2, 3].
    """
    matrix = upright(points)
    scale = float(np.hypot(*matrix[:, 0]))
    inverse = cv2.invertAffineTransform(matrix)
    middle = inverse @ np.array([POINTS_SIDE / 2, POINTS_SIDE / 2, 1.0])
    reach = 0.72 * POINTS_SIDE / scale  # of the corners, which may be turned
    region, corner = part(image, middle[0] - reach, middle[1] - reach, 2 * reach, 2 * reach)
    if region.size == 0:
        return np.full((POINTS_SIDE, POINTS_SIDE), _GREY, np.uint8), matrix
    grey = np.asarray(cv2.cvtColor(region, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    less = min(1.0, 1.5 * scale)  # large faces are made smaller first: a turn alone would skip pixels
    small = scaled(grey, less)
    shares = np.array([grey.shape[1] / small.shape[1], grey.shape[0] / small.shape[0]])
    linear = matrix[:, :2] * shares
    shift = matrix[:, 2] + matrix[:, :2] @ (np.array(corner) + shares / 2 - 0.5)  # middles of pixels, not corners
    size = (POINTS_SIDE, POINTS_SIDE)
    turned = cv2.warpAffine(
        small, np.hstack([linear, shift[:, None]]), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, dtype=np.uint8), matrix


def _cells(maps: list[npt.NDArray[np.float32]], threshold: float) -> npt.NDArray[np.float32]:
    """The cells that see a face, [n, 15]: score, box, points in pixels of the network's input."""
    least = np.log(threshold / (1 - threshold))
    found = []
    for stride, values in zip(STRIDES, maps, strict=True):
        y, x = np.nonzero(values[0, 0] > least)
        if not len(x):
            continue
        cells = values[0][:, y, x].T.astype(np.float32)
        centres = (np.stack([x, y], axis=1).astype(np.float32) + 0.5) * stride
        sizes = 2 * stride * np.exp(np.clip(cells[:, 3:5], -4, 4))
        known = sizes.prod(axis=1) <= _LARGEST[stride] ** 2
        cells, centres, sizes = cells[known], centres[known], sizes[known]
        middles = centres + cells[:, 1:3] * stride
        points = np.tile(centres, 5) + cells[:, 5:] * stride
        scores = 1 / (1 + np.exp(-cells[:, :1]))
        found.append(np.concatenate([scores, middles - sizes / 2, sizes, points], axis=1))
    if not found:
        return np.zeros((0, 15), np.float32)
    rows: npt.NDArray[np.float32] = np.concatenate(found)
    return rows if len(rows) <= _MOST_CELLS else rows[np.argsort(-rows[:, 0])[:_MOST_CELLS]]


def _best(boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> list[int]:
    """Which boxes [n, 4] are left when each takes away those with lower scores that overlap it or lie in it."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    areas = boxes[:, 2:].prod(axis=1)
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        first, left = int(left[0]), left[1:]
        kept.append(first)
        sides = np.minimum(high[first], high[left]) - np.maximum(low[first], low[left])
        common = np.clip(sides, 0, None).prod(axis=1)
        overlap = common / (areas[first] + areas[left] - common)
        inside = common / np.minimum(areas[first], areas[left])
        left = left[(overlap <= _SAME_FACE) & (inside <= _PART_OF_FACE)]
    return kept


def _face(box: npt.NDArray[Any], points: Points, score: float) -> Face:
    x, y, width, height = (float(v) for v in box)
    left, right = sorted((float(px), float(py)) for px, py in points[:2])
    return Face((x, y, width, height), (left, right), score, points)


def _moved(box: Box, other: Box) -> float:
    """How far apart the middles of two boxes are, in widths of the second."""
    dx = box[0] + box[2] / 2 - other[0] - other[2] / 2
    dy = box[1] + box[3] / 2 - other[1] - other[3] / 2
    return float(np.hypot(dx, dy)) / max(other[2], 1.0)


def _padded(image: Image, side: int | None = None) -> Image:
    """The image with grey to its right and below, so that the network takes it."""
    height, width = image.shape[:2]
    right = (side or -(-width // _GRID) * _GRID) - width
    below = (side or -(-height // _GRID) * _GRID) - height
    if not right and not below:
        return image
    grey = (_GREY, _GREY, _GREY)
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=grey), dtype=np.uint8)


def _checked(image: Image) -> Image:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape[:2]:
        raise ValueError(f"expected uint8 [height, width, 3], got {image.dtype} {list(image.shape)}")
    return image if image.ndim == 3 else np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
