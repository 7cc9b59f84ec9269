"""Composites: faces of photographs pasted onto pictures without faces, so that box and points of each are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import Image
from emostream.trainer.finder import light, occlusion
from emostream.trainer.finder.negatives import paste_negative
from emostream.trainer.finder.pasting import background, face_mask, face_matrix, moved_box, moved_points, paste, piece
from emostream.trainer.finder.photos import FacePicture, Part

__all__ = ["Composer", "Composite", "Placement"]

_SMALL_FACES_TO = 56.0  # pixels of width up to which faces of FER2013 are used
_COLOURED = 0.75  # share of the faces that are tinted: their photographs are grey, and cameras give colours
_COLOURS = ((150, 175, 220), (120, 150, 205), (90, 120, 175), (65, 90, 135), (45, 60, 95))  # of skin, for grey faces


@dataclass(frozen=True)
class Composite:
    """A picture and its faces.

    Attributes:
        image: uint8 [height, width, 3], BGR.
        boxes: float32 [faces, 4]: x, y, width, height in pixels; may reach beyond the picture.
        points: float32 [faces, 5, 2].
        seen: float32 [faces], the share of each box that lies in the picture.
    """

    image: Image
    boxes: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    seen: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """Where a face goes and how it looks.

    Attributes:
        centre: of its box, in pixels.
        width: of its box before it is rolled, in pixels.
        roll: degrees, clockwise.
        cover: `none`, `mask`, `glasses`, `hand` or `hat`.
        squeeze: of its width.
        lean: shear.
    """

    centre: tuple[float, float]
    width: float
    roll: float = 0.0
    cover: str = "none"
    squeeze: float = 1.0
    lean: float = 0.0


class Composer:
    """Makes composites of one part of the photographs."""

    def __init__(self, part: Part, seed: int, small_share: float = 0.45) -> None:
        """Take the part's faces and backgrounds.

        Args:
            part: training, validation or held out.
            seed: equal seeds make equal composites.
            small_share: of the narrow faces, those of FER2013, whose labels are less exact.
        """
        self._small_share = small_share
        self._part = part
        self._rng = np.random.default_rng(seed)

    def scene(self, height: int, width: int, placements: list[Placement], retouch: bool = True) -> Composite:
        """A background with faces at given places.

        Args:
            height: of the picture, in pixels.
            width: likewise.
            placements: of the faces.
            retouch: vary each face's light, colours and sharpness.
        """
        canvas = background(self._part.backgrounds, height, width, self._rng)
        labels = [self._put(canvas, placement, retouch) for placement in placements]
        return _composite(canvas, labels)

    def training(self, side: int) -> Composite:
        """A square picture for training, with everything that chance brings."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.08:
            return self._photograph(side)
        canvas = background(self._part.backgrounds, side, side, rng)
        if chance < 0.42:
            widths = np.exp(rng.uniform(np.log(8.5), np.log(40), size=rng.integers(2, 8)))
        elif chance < 0.76:
            widths = np.exp(rng.uniform(np.log(12), np.log(120), size=rng.integers(1, 5)))
        elif chance < 0.93:
            widths = np.exp(rng.uniform(np.log(70), np.log(1.1 * side), size=1))
        else:
            widths = np.zeros(0)
        taken: list[tuple[float, float, float]] = []
        for _ in range(int(rng.integers(0, 4))):
            size = float(np.exp(rng.uniform(np.log(12), np.log(110))))
            paste_negative(canvas, self._part, tuple(rng.uniform(0, side, 2)), size, rng)
        labels = []
        for size in sorted(widths, reverse=True):
            placement = self._free_place(side, float(size), taken)
            if placement is not None:
                labels.append(self._put(canvas, placement, True))
        return _composite(light.through_a_camera(canvas, rng), labels)

    def faceless(self, height: int, width: int, negatives: bool = True) -> Image:
        """A picture without faces; with things pasted into it that faces could be mistaken for."""
        canvas = background(self._part.backgrounds, height, width, self._rng)
        for _ in range(int(self._rng.integers(0, 6)) if negatives else 0):
            size = float(np.exp(self._rng.uniform(np.log(12), np.log(130))))
            x, y = self._rng.uniform(0, width), self._rng.uniform(0, height)
            paste_negative(canvas, self._part, (x, y), size, self._rng)
        return light.through_a_camera(canvas, self._rng)

    def _free_place(self, side: int, width: float, taken: list[tuple[float, float, float]]) -> Placement | None:
        rng = self._rng
        chance = rng.random()
        roll = rng.normal(0, 12) if chance < 0.5 else rng.uniform(-65, 65) if chance < 0.93 else rng.uniform(-110, 110)
        cover = str(rng.choice(["none", "mask", "glasses", "hand", "hat"], p=[0.5, 0.2, 0.12, 0.1, 0.08]))
        reach = 0.62 * width  # of the face from its centre, about
        beyond = rng.random() < 0.15
        for _ in range(12):
            low, high = (0.0, float(side)) if beyond or 2 * reach > 0.9 * side else (reach, side - reach)
            x, y = rng.uniform(low, high, 2)
            if all(np.hypot(x - tx, y - ty) > reach + other for tx, ty, other in taken):
                taken.append((x, y, reach))
                squeeze = rng.uniform(0.72, 1.0) if rng.random() < 0.4 else rng.uniform(0.92, 1.08)
                lean = rng.normal(0, 0.08)
                return Placement((x, y), width, float(roll), cover, float(squeeze), float(lean))
        return None

    def _photograph(self, side: int) -> Composite:
        """A whole photograph, so that nothing is pasted; those with a second face are left out."""
        rng = self._rng
        face = self._part.faces[rng.integers(len(self._part.faces))]
        while not face.alone:
            face = self._part.faces[rng.integers(len(self._part.faces))]
        face = self._flipped(face)
        if rng.random() < _COLOURED:
            face = replace(face, image=_coloured(face.image, rng))
        scale = side / face.image.shape[1] * rng.uniform(0.9, 1.5)
        roll = float(rng.normal(0, 6))
        centre = side / 2 + rng.normal(0, 0.1, 2) * side
        matrix = face_matrix(face, (float(centre[0]), float(centre[1])), scale * float(face.box[2]), roll)
        canvas = cv2.warpAffine(face.image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        label = moved_box(face.box, matrix), moved_points(face.points, matrix)
        return _composite(light.through_a_camera(np.asarray(canvas, dtype=np.uint8), rng), [label])

    def _put(self, canvas: Image, placement: Placement, retouch: bool) -> tuple[npt.NDArray[np.float32], ...]:
        """Paste a face; its box and points on the canvas."""
        rng = self._rng
        small = bool(self._part.small_faces) and placement.width < _SMALL_FACES_TO and rng.random() < self._small_share
        pictures = self._part.small_faces if small else self._part.faces
        face = self._flipped(pictures[rng.integers(len(pictures))])
        if rng.random() < _COLOURED:
            face = replace(face, image=_coloured(face.image, rng))
        if retouch:
            face = replace(face, image=self._retouched(face.image))
        mask = face_mask(face, rng)
        face = replace(face, image=self._covered(face, placement.cover))
        matrix = face_matrix(face, placement.centre, placement.width, placement.roll, placement.squeeze, placement.lean)
        paste(canvas, face.image, mask, matrix)
        return moved_box(face.box, matrix), moved_points(face.points, matrix)

    def _covered(self, face: FacePicture, cover: str) -> Image:
        texture = None
        if cover in ("mask", "hat") and self._rng.random() < 0.35:
            things = self._part.backgrounds
            texture = piece(things[self._rng.integers(len(things))], 64, 64, self._rng)
        if cover == "mask":
            return occlusion.draw_mask(face, self._rng, texture)
        if cover == "hat":
            return occlusion.draw_hat(face, self._rng, texture)
        if cover == "glasses":
            return occlusion.draw_glasses(face, self._rng)
        return occlusion.draw_hand(face, self._rng) if cover == "hand" else face.image

    def _retouched(self, image: Image) -> Image:
        rng = self._rng
        chance = rng.random()
        if chance < 0.2:
            image = light.side_lit(image, rng)
        elif chance < 0.6:
            image = light.toned(image, rng)
        if rng.random() < 0.12:
            image = light.blurred(image, rng, 0.02 * image.shape[1])
        return image

    def _flipped(self, face: FacePicture) -> FacePicture:
        """The face, or its mirror image."""
        if self._rng.random() < 0.5:
            return face
        width = face.image.shape[1]
        box, points = face.box.copy(), face.points[[1, 0, 2, 4, 3]].copy()
        box[0] = width - box[0] - box[2]
        points[:, 0] = width - points[:, 0]
        return replace(face, image=np.ascontiguousarray(face.image[:, ::-1]), box=box, points=points)


def _coloured(image: Image, rng: np.random.Generator) -> Image:
    """A grey face in a colour of skin."""
    colour = np.array(_COLOURS[rng.integers(len(_COLOURS))]) * rng.uniform(0.85, 1.15, 3)
    ramp = np.arange(256, dtype=np.float32)[:, None] / 255
    tint = (colour / colour.mean()) ** rng.uniform(0.5, 1.2)
    table = np.clip(255 * ramp ** (1 / tint), 0, 255).astype(np.uint8).reshape(256, 1, 3)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def _composite(canvas: Image, labels: list[tuple[npt.NDArray[np.float32], ...]]) -> Composite:
    boxes = np.array([box for box, _ in labels], dtype=np.float32).reshape(-1, 4)
    points = np.array([points for _, points in labels], dtype=np.float32).reshape(-1, 5, 2)
    size = np.array([canvas.shape[1], canvas.shape[0]], dtype=np.float32)
    inside = np.minimum(boxes[:, :2] + boxes[:, 2:], size) - np.maximum(boxes[:, :2], 0)
    seen = np.clip(inside, 0, None).prod(axis=1) / np.maximum(boxes[:, 2:].prod(axis=1), 1e-6)
    return Composite(canvas, boxes, points, seen.astype(np.float32))
