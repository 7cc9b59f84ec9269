"""What covers faces: masks, glasses, hands, hats, drawn on a picture of a face whose points are known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import Image
from emostream.trainer.finder.photos import FacePicture

__all__ = ["draw_glasses", "draw_hand", "draw_hat", "draw_mask"]

_MASK_COLOURS = ((235, 235, 235), (220, 190, 150), (200, 160, 110), (30, 30, 30), (60, 60, 60), (150, 120, 200))
_FRAME_COLOURS = ((20, 20, 20), (40, 60, 90), (60, 60, 120), (170, 170, 170))
_Vector = npt.NDArray[np.float32]


def draw_mask(face: FacePicture, rng: np.random.Generator, texture: Image | None = None) -> Image:
    """A surgical mask, from the bridge of the nose to the chin.

    Args:
        face: to be covered.
        rng: chooses shape and colour.
        texture: uint8 [h, w, 3], what the cloth looks like, instead of one colour.

    Returns:
        A covered copy of the face's picture.
    """
    image: Image = face.image.copy()
    origin, right, down, _ = _frame(face)
    left_edge, right_edge, chin = _edges(face, origin, right, down)
    top, bottom = rng.uniform(0.25, 0.75), rng.uniform(0.92, 1.08)
    bow = rng.uniform(0.0, 0.25)
    outline = [(left_edge, top + bow), (left_edge / 2, top + 0.1), (0.0, top), (right_edge / 2, top + 0.1)]
    outline += [(right_edge, top + bow), (right_edge * 0.9, 1.5), (right_edge * 0.45, chin * bottom)]
    outline += [(0.0, chin * bottom * 1.04), (left_edge * 0.45, chin * bottom), (left_edge * 0.9, 1.5)]
    polygon = _placed(outline, origin, right, down)
    cloth = _cloth(image.shape[:2], rng, texture)
    for share in rng.uniform(0.3, 0.9, size=rng.integers(0, 4)):  # folds
        y = top + share * (chin - top)
        fold = _placed([(left_edge * 0.8, y), (0.0, y + 0.1), (right_edge * 0.8, y)], origin, right, down)
        shade = tuple(int(v) for v in cloth[0, 0] * rng.uniform(0.75, 0.9))
        cv2.polylines(cloth, [fold], False, shade, 1, cv2.LINE_AA, 4)
    _paint(image, cloth, polygon)
    if rng.random() < 0.6:
        colour = tuple(int(v) for v in cloth[0, 0])
        for edge in (left_edge, right_edge):
            strap = _placed([(edge, top + bow), (edge * 1.25, top - 0.3)], origin, right, down)
            cv2.polylines(image, [strap], False, colour, 1, cv2.LINE_AA, 4)
    return image


def draw_glasses(face: FacePicture, rng: np.random.Generator) -> Image:
    """Glasses, or sunglasses."""
    image: Image = face.image.copy()
    origin, right, down, distance = _frame(face)
    colour = _FRAME_COLOURS[rng.integers(len(_FRAME_COLOURS))]
    thick = max(1, round(distance * rng.uniform(0.02, 0.09)))
    size = (distance * rng.uniform(0.3, 0.46), distance * rng.uniform(0.2, 0.38))
    angle = float(np.degrees(np.arctan2(right[1], right[0])))
    dark = rng.uniform(0.6, 1.0) if rng.random() < 0.3 else 0.0
    drawn = image.copy()
    for eye in face.points[:2]:
        centre = (float(eye[0]), float(eye[1] + 0.05 * distance))
        if rng.random() < 0.5:
            ellipse = (centre, (2 * size[0], 2 * size[1]), angle)
            if dark:
                cv2.ellipse(drawn, ellipse, (25, 25, 25), -1, cv2.LINE_AA)
            cv2.ellipse(drawn, ellipse, colour, thick, cv2.LINE_AA)
        else:
            corners = np.round(cv2.boxPoints((centre, (2 * size[0], 2 * size[1]), angle))).astype(np.int32)
            if dark:
                cv2.fillPoly(drawn, [corners], (25, 25, 25), cv2.LINE_AA)
            cv2.polylines(drawn, [corners], True, colour, thick, cv2.LINE_AA)
    for a, b in ((-0.15, 0.15), (-0.9, -1.35), (0.9, 1.35)):
        bar = _placed([(a, -0.02), (b, -0.05)], origin, right, down)
        cv2.polylines(drawn, [bar], False, colour, thick, cv2.LINE_AA, 4)
    weight = max(dark, rng.uniform(0.6, 1.0))
    return np.asarray(cv2.addWeighted(drawn, weight, image, 1 - weight, 0), dtype=np.uint8)


def draw_hand(face: FacePicture, rng: np.random.Generator) -> Image:
    """Fingers, in the colour of the face, from a side or from below."""
    image: Image = face.image.copy()
    origin, right, down, distance = _frame(face)
    skin = image[tuple(np.clip(np.round(face.points[2][::-1]).astype(int), 0, np.array(image.shape[:2]) - 1))]
    colour = np.clip(skin.astype(float) * rng.uniform(0.7, 1.2), 0, 255)
    thick = max(1, round(distance * rng.uniform(0.2, 0.35)))
    x, y = rng.uniform(-1.0, 1.0), rng.uniform(0.3, 1.6)
    lean = rng.uniform(-0.6, 0.6)
    for finger in range(int(rng.integers(1, 5))):
        tip = (x + 0.32 * finger, y + rng.uniform(-0.12, 0.12))
        line = _placed([tip, (tip[0] + lean, tip[1] + 2.5)], origin, right, down)
        shade = tuple(int(v) for v in colour * rng.uniform(0.85, 1.0))
        edge = tuple(int(v) for v in colour * 0.55)
        cv2.polylines(image, [line], False, edge, thick + 1, cv2.LINE_AA, 4)
        cv2.polylines(image, [line], False, shade, thick, cv2.LINE_AA, 4)
    return image


def draw_hat(face: FacePicture, rng: np.random.Generator, texture: Image | None = None) -> Image:
    """A hat, a hood or hair, down to the brows."""
    image: Image = face.image.copy()
    origin, right, down, _ = _frame(face)
    brim = rng.uniform(-0.8, -0.35)
    outline = [(-2.2, brim + 0.1), (0.0, brim - rng.uniform(0, 0.3)), (2.2, brim + 0.1), (2.2, -4.0), (-2.2, -4.0)]
    _paint(image, _cloth(image.shape[:2], rng, texture), _placed(outline, origin, right, down))
    return image


def _frame(face: FacePicture) -> tuple[_Vector, _Vector, _Vector, float]:
    """Middle of the eyes, and what half the distance of the eyes, and eyes to mouth, are in pixels."""
    eyes, mouth = face.points[:2].mean(axis=0), face.points[3:].mean(axis=0)
    right = (face.points[1] - face.points[0]) / 2
    return eyes, right, mouth - eyes, 2 * float(np.hypot(*right))


def _edges(face: FacePicture, origin: _Vector, right: _Vector, down: _Vector) -> tuple[float, float, float]:
    """Sides and bottom of the face's box, in units of `_frame`."""
    x, y, w, h = face.box
    half = max(float(np.hypot(*right)), 1.0)
    length = max(float(np.hypot(*down)), 1.0)
    return (
        float(x + 0.04 * w - origin[0]) / half,
        float(x + 0.96 * w - origin[0]) / half,
        float(y + h - origin[1]) / length,
    )


def _placed(points: list[tuple[float, float]], origin: _Vector, right: _Vector, down: _Vector) -> npt.NDArray[np.int32]:
    """Points from units of `_frame` to 1/16 pixels."""
    shares = np.asarray(points, dtype=np.float32)
    placed = origin + shares[:, :1] * right + shares[:, 1:] * down
    return np.asarray(np.clip(np.round(placed * 16), -32000, 32000), dtype=np.int32)


def _cloth(size: tuple[int, ...], rng: np.random.Generator, texture: Image | None) -> Image:
    if texture is not None:
        return np.asarray(cv2.resize(texture, (size[1], size[0]), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    base = np.array(_MASK_COLOURS[rng.integers(len(_MASK_COLOURS))]) if rng.random() < 0.7 else rng.integers(0, 255, 3)
    shade = np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), size[1], dtype=np.float32)
    row = np.clip(base * shade[:, None], 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row, (size[0], size[1], 3)))


def _paint(image: Image, cloth: Image, polygon: npt.NDArray[np.int32]) -> None:
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, 4)
    inside = mask.astype(np.float32) * (1 / 255)
    image[:] = cv2.blendLinear(cloth, image, inside, 1 - inside)
