"""What looks like a face, or like its edge, and is none: pasted just as faces are."""

from __future__ import annotations

import cv2
import numpy as np

from emostream.engines.frontend.picture import Image
from emostream.trainer.finder.pasting import paste, piece
from emostream.trainer.finder.photos import FacePicture, Part

__all__ = ["paste_negative"]

_SIDE = 96  # pixels of the pictures that are pasted
_LEAST_PARTS = 22.0  # pixels of width of cut up faces


def paste_negative(
    canvas: Image, part: Part, centre: tuple[float, float], width: float, rng: np.random.Generator
) -> None:
    """Paste something that is no face onto the canvas, in place.

    Args:
        canvas: uint8 [height, width, 3].
        part: where things and parts of faces come from.
        centre: on the canvas, in pixels.
        width: in pixels.
        rng: chooses what, and how.
    """
    makers = (_thing, _thing, _skin, _shuffled_face, _shuffled_face, _part_of_face, _part_of_face, _body)
    maker = makers[rng.integers(len(makers))]
    if maker in (_shuffled_face, _part_of_face):
        width = max(width, _LEAST_PARTS)  # smaller, nobody can tell that the parts are in wrong places
    picture = maker(part, rng)
    scale = width / picture.shape[1]
    angle = np.radians(rng.uniform(-60, 60))
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([picture.shape[1], picture.shape[0]]) / 2
    matrix = np.hstack([linear, (np.array(centre) - linear @ middle)[:, None]]).astype(np.float32)
    paste(canvas, picture, _blob(picture, rng), matrix)


def _blob(picture: Image, rng: np.random.Generator) -> Image:
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    size = (width * rng.uniform(0.75, 0.95), height * rng.uniform(0.75, 0.95))
    cv2.ellipse(mask, ((width / 2, height / 2), size, 0.0), 255, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), width * rng.uniform(0.01, 0.05)), dtype=np.uint8)


def _thing(part: Part, rng: np.random.Generator) -> Image:
    return piece(part.backgrounds[rng.integers(len(part.backgrounds))], round(_SIDE * 1.3), _SIDE, rng)


def _skin(part: Part, rng: np.random.Generator) -> Image:
    """A flat patch in the colour of somebody's cheek, shaded."""
    face = _some(part, rng)
    x, y = face.points[2]
    colour = face.image[int(np.clip(y, 0, face.image.shape[0] - 1)), int(np.clip(x, 0, face.image.shape[1] - 1))]
    gain = np.linspace(rng.uniform(0.5, 1.2), rng.uniform(0.5, 1.2), _SIDE, dtype=np.float32)[None, :, None]
    fall = np.linspace(rng.uniform(0.8, 1.2), rng.uniform(0.5, 1.2), round(1.3 * _SIDE), dtype=np.float32)[
        :, None, None
    ]
    return np.asarray(np.clip(colour * gain * fall, 0, 255), dtype=np.uint8)


def _shuffled_face(part: Part, rng: np.random.Generator) -> Image:
    """A face cut apart, its parts upside down or anywhere but in their places."""
    image = _box_of(_some(part, rng))
    rows, columns = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    image = np.asarray(cv2.resize(image, (12 * 8, 12 * 10), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    height, width = image.shape[0] // rows, image.shape[1] // columns
    tiles = [
        image[r * height : (r + 1) * height, c * width : (c + 1) * width] for r in range(rows) for c in range(columns)
    ]
    order = rng.permutation(len(tiles))
    while len(tiles) > 1 and bool(np.all(order == np.arange(len(tiles)))):
        order = rng.permutation(len(tiles))
    upside_down = len(tiles) <= 2 or rng.random() < 0.4
    shuffled: Image = image.copy()
    for place, index in enumerate(order):
        r, c = divmod(place, columns)
        tile = tiles[index][::-1] if upside_down else tiles[index]
        shuffled[r * height : (r + 1) * height, c * width : (c + 1) * width] = tile
    return shuffled


def _part_of_face(part: Part, rng: np.random.Generator) -> Image:
    """One eye, a mouth, a cheek or a forehead, larger than it belongs."""
    face = _some(part, rng)
    side = float(face.box[2]) * rng.uniform(0.2, 0.4)
    point = face.points[rng.integers(5)] + rng.normal(0, 0.05, 2) * face.box[2]
    x, y = (point - side / 2).astype(int)
    cut = face.image[max(0, y) : max(0, y) + round(side) + 2, max(0, x) : max(0, x) + round(side) + 2]
    if min(cut.shape[:2]) < 4:
        return _skin(part, rng)
    return np.asarray(cv2.resize(cut, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _body(part: Part, rng: np.random.Generator) -> Image:
    """Clothes, neck and hair: the lower corners of a photograph."""
    face = part.faces[rng.integers(len(part.faces))]
    height, width = face.image.shape[:2]
    mouth = int(np.clip(face.points[3:, 1].max() + 0.12 * face.box[3], 0.6 * height, height - 24))
    half = width // 2 - round(0.1 * width)
    cut = face.image[mouth:, :half] if rng.random() < 0.5 else face.image[mouth:, -half:]
    return np.asarray(cv2.resize(cut, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _some(part: Part, rng: np.random.Generator) -> FacePicture:
    pictures = part.small_faces if part.small_faces and rng.random() < 0.4 else part.faces
    return pictures[rng.integers(len(pictures))]


def _box_of(face: FacePicture) -> Image:
    x, y, w, h = (round(float(v)) for v in face.box)
    height, width = face.image.shape[:2]
    return face.image[max(0, y) : min(height, y + h), max(0, x) : min(width, x + w)]
