"""Pictures without faces as backgrounds, and pasting: with soft ellipses and head shapes, never as rectangles."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import Image
from emostream.trainer.finder.photos import FacePicture

__all__ = ["Matrix", "background", "face_mask", "face_matrix", "moved_box", "moved_points", "paste", "piece"]

Matrix = npt.NDArray[np.float32]  # [2, 3], from pixels of the pasted picture to those of the canvas


def background(pictures: list[Image], height: int, width: int, rng: np.random.Generator) -> Image:
    """One picture that fills [height, width], or two or four of them side by side."""
    chance = rng.random()
    if chance < 0.15 and height >= 128:
        y, x = int(height * rng.uniform(0.3, 0.7)), int(width * rng.uniform(0.3, 0.7))
        canvas = np.empty((height, width, 3), np.uint8)
        for rows in (slice(0, y), slice(y, height)):
            for columns in (slice(0, x), slice(x, width)):
                shape = canvas[rows, columns].shape
                canvas[rows, columns] = piece(pictures[rng.integers(len(pictures))], shape[0], shape[1], rng)
        return canvas
    canvas = piece(pictures[rng.integers(len(pictures))], height, width, rng)
    if rng.random() < 0.1:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(1, 6)), dtype=np.uint8)
    return canvas


def piece(picture: Image, height: int, width: int, rng: np.random.Generator) -> Image:
    """Part of a picture, scaled to [height, width]: from a third of it to all of it, or smaller and mirrored around."""
    have_height, have_width = picture.shape[:2]
    cover = max(height / have_height, width / have_width)
    scale = cover * float(np.exp(rng.uniform(np.log(0.5), np.log(2.5))))
    turn = float(rng.normal(0, 10)) if rng.random() < 0.3 else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    aspect = float(np.exp(rng.normal(0, 0.15)))
    if scale < 0.6:
        small = max(1, round(have_width * scale * 1.2)), max(1, round(have_height * scale * 1.2))
        picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        scale *= have_width / picture.shape[1]
        have_height, have_width = picture.shape[:2]
    c, s = np.cos(np.radians(turn)) * scale, np.sin(np.radians(turn)) * scale
    linear = np.array([[c * flip * aspect, -s], [s * flip, c / aspect]])
    slack = np.maximum(0, scale * np.array([have_width, have_height]) - np.array([width, height])) / 2
    centre = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * slack
    shift = centre - linear @ np.array([have_width / 2, have_height / 2])
    matrix = np.hstack([linear, shift[:, None]])
    flags = cv2.INTER_LINEAR if scale < 3 else cv2.INTER_CUBIC
    warped = cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, dtype=np.uint8)


def face_matrix(
    face: FacePicture, centre: tuple[float, float], width: float, roll: float, squeeze: float = 1.0, lean: float = 0.0
) -> Matrix:
    """What brings a face to a place.

    Args:
        face: with its box.
        centre: of the box on the canvas, in pixels.
        width: of the box before it is rolled, in pixels.
        roll: in degrees, clockwise.
        squeeze: of the width, as in faces that are turned.
        lean: shear, as in faces that are seen from above or below.
    """
    scale = width / float(face.box[2])
    angle = np.radians(roll)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[squeeze, lean], [0.0, 1.0]])
    middle = face.box[:2] + face.box[2:] / 2
    return np.hstack([linear, (np.array(centre) - linear @ middle)[:, None]]).astype(np.float32)


def moved_points(points: npt.NDArray[np.float32], matrix: Matrix) -> npt.NDArray[np.float32]:
    """Points [n, 2] on the canvas."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)


def moved_box(box: npt.NDArray[np.float32], matrix: Matrix) -> npt.NDArray[np.float32]:
    """The box around the moved ellipse that the box [4] holds: exact where nothing is rolled."""
    half = box[2:] / 2
    centre = matrix[:, :2] @ (box[:2] + half) + matrix[:, 2]
    reach = np.hypot(matrix[:, 0] * half[0], matrix[:, 1] * half[1])
    return np.concatenate([centre - reach, 2 * reach]).astype(np.float32)


def face_mask(face: FacePicture, rng: np.random.Generator) -> Image:
    """Which pixels of a face's picture belong to the head: a soft ellipse, or one with hair and shoulders."""
    height, width = face.image.shape[:2]
    x, y, w, h = (float(v) for v in face.box)
    mask = np.zeros((height, width), np.uint8)
    wide, high = rng.uniform(0.48, 0.68), rng.uniform(0.47, 0.6)
    eyes = face.points[1] - face.points[0]
    angle = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    cv2.ellipse(mask, ((x + w / 2, y + h / 2), (2 * wide * w, 2 * high * h), angle), 255, -1)
    if rng.random() < 0.35:  # neck and shoulders
        neck = np.array([[x + 0.2 * w, y + 0.8 * h], [x + 0.8 * w, y + 0.8 * h], [width, height], [0, height]])
        cv2.fillPoly(mask, [np.round(neck).astype(np.int32)], 255)
    soft = max(0.6, rng.uniform(0.01, 0.05) * w)
    edge = max(1, round(soft))
    mask[:edge], mask[-edge:], mask[:, :edge], mask[:, -edge:] = 0, 0, 0, 0
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), dtype=np.uint8)


def paste(canvas: Image, picture: Image, mask: Image, matrix: Matrix) -> float:
    """Paste a picture onto the canvas, in place.

    Args:
        canvas: uint8 [height, width, 3].
        picture: uint8 [h, w, 3].
        mask: uint8 [h, w], how much of each of the picture's pixels is pasted.
        matrix: from the picture to the canvas.

    Returns:
        The share of the mask that lies on the canvas.
    """
    size = float(np.sqrt(abs(np.linalg.det(matrix[:, :2].astype(np.float64)))))
    if size < 0.7:  # smaller first, so that nothing is skipped
        small = max(2, round(picture.shape[1] * size * 1.2)), max(2, round(picture.shape[0] * size * 1.2))
        shares = np.array([picture.shape[1] / small[0], picture.shape[0] / small[1]])
        half = matrix[:, :2] @ (shares / 2 - 0.5)  # centres of pixels, not corners
        picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        mask = np.asarray(cv2.resize(mask, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        matrix = np.hstack([matrix[:, :2] * shares, (matrix[:, 2] + half)[:, None]]).astype(np.float32)
    height, width = picture.shape[:2]
    corners = moved_points(np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32), matrix)
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    x0, y0 = max(0, low[0]), max(0, low[1])
    x1, y1 = min(canvas.shape[1], high[0]), min(canvas.shape[0], high[1])
    if x1 <= x0 or y1 <= y0:
        return 0.0
    shifted = matrix.copy()
    shifted[:, 2] -= (x0, y0)
    region = canvas[y0:y1, x0:x1]
    to = (x1 - x0, y1 - y0)
    warped = cv2.warpAffine(picture, shifted, to, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(mask, shifted, to, flags=cv2.INTER_LINEAR).astype(np.float32) * (1 / 255)
    region[:] = cv2.blendLinear(warped, region, weight, 1 - weight)
    whole = float(mask.sum()) / 255 * abs(float(np.linalg.det(matrix[:, :2].astype(np.float64))))
    return min(1.0, float(weight.sum()) / max(whole, 1e-6))
