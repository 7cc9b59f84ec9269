"""What never changes in the actor's picture: the wall, the shoulders, and a shaded head with hair.

Everything is painted once per actor from formulas. Lengths are in units of half the face's width; the origin
is midway between the eyes, x points right and y down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Colour", "Floats", "Image", "Portrait", "tint"]

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Colour = tuple[float, float, float]

_SKINS_RGB = ((228, 188, 164), (220, 174, 142), (206, 156, 120), (176, 126, 94), (146, 102, 76))
_HAIRS_RGB = ((38, 30, 28), (58, 42, 34), (96, 64, 42), (132, 62, 38), (118, 115, 112), (172, 134, 86))
_SHIRTS_RGB = ((62, 88, 128), (120, 58, 62), (70, 104, 84), (92, 92, 104), (170, 150, 120), (60, 62, 72))
_WALLS_RGB = ((196, 200, 196), (178, 190, 204), (204, 192, 178), (166, 178, 170))
_IRISES_RGB = ((70, 46, 30), (60, 84, 110), (74, 92, 62), (52, 36, 28))


class Portrait:
    """One actor, drawn but for brows, eyes and mouth.

    Args:
        actor: seed of the person: shape, colours, hair, place, wall.
        size: width and height of the pictures, in pixels.

    Attributes:
        unit: half the width of the face, in pixels.
        home: where the origin rests in the picture, float64 [2], pixels.
        corner: where the canvas of the head starts, float64 [2], units.
        eye_x: half the distance of the eyes, in units.
        skin, hair, iris, lips: colours, BGR.
        wall: uint8 [H, W, 3], BGR.
        scene: the wall with neck and shirt before it, uint8 [H, W, 3], BGR.
        head: uint8 [h, w, 4], BGR already multiplied by alpha, and alpha.
    """

    corner = np.array([-1.6, -1.8])

    def __init__(self, actor: int, size: tuple[int, int]) -> None:
        width, height = size
        rng = np.random.default_rng((201, actor))
        self.unit = float(rng.uniform(0.205, 0.235)) * min(height, 0.75 * width)
        self.home = np.array([width * rng.uniform(0.44, 0.56), height * rng.uniform(0.44, 0.47)])
        self.eye_x = float(rng.uniform(0.40, 0.45))
        complexion = int(rng.integers(len(_SKINS_RGB)))
        self.skin = _pick(_SKINS_RGB[complexion : complexion + 1], rng)
        self.hair = _pick(_HAIRS_RGB[: len(_HAIRS_RGB) - complexion], rng)
        self.iris = _pick(_IRISES_RGB, rng)
        self.lips: Colour = (0.70 * self.skin[0], 0.64 * self.skin[1], 0.86 * self.skin[2])
        self._skull = float(rng.uniform(1.30, 1.40))
        self.wall = self._paint_wall(size, rng)
        self.scene = self._paint_shoulders(rng)
        self.head = self._paint_head(rng)

    def _paint_wall(self, size: tuple[int, int], rng: np.random.Generator) -> Image:
        x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
        lamp = _bump(x, y, (rng.uniform(-1, 1), rng.uniform(-1, 0)), (1.1, 1.1))
        light = 0.80 + 0.22 * lamp - 0.08 * y
        return _to_image(light[:, :, None] * np.array(_pick(_WALLS_RGB, rng)))

    def _paint_shoulders(self, rng: np.random.Generator) -> Image:
        height, width = self.wall.shape[:2]
        x, y = np.meshgrid(
            (np.arange(width) - self.home[0]) / self.unit, (np.arange(height) - self.home[1]) / self.unit
        )
        beside = np.abs(x)
        neck = self._cover(np.maximum(beside - 0.52 - 0.3 * np.clip(y - 1.4, 0, 1) ** 2, 0.5 - y))
        throat = 0.88 - 0.32 * _bump(x, y, (0, 1.25), (0.9, 0.38)) - 0.10 * x
        slope = np.where(beside < 0.64, 1.66 + 0.28 * (1 - (x / 0.64) ** 2), 1.60 + 0.15 * beside**2)
        shirt = self._cover(np.maximum(slope - y, beside - 1.95 - 0.1 * y))
        folds = 0.95 - 0.10 * x - 0.25 * np.clip(beside - 1.2, 0, 1) - 0.2 * np.exp(-np.abs(y - slope) / 0.05)
        scene = _over(self.wall.astype(np.float64), self.skin, throat, neck)
        return _to_image(_over(scene, _pick(_SHIRTS_RGB, rng), folds, shirt))

    def _paint_head(self, rng: np.random.Generator) -> Image:
        n_x, n_y = int(3.2 * self.unit), int(3.4 * self.unit)
        left, top = self.corner
        x, y = np.meshgrid(left + np.arange(n_x) / self.unit, top + np.arange(n_y) / self.unit)
        beside, skull = np.abs(x), self._skull
        jaw = 1 - rng.uniform(0.10, 0.28) * np.clip(y / skull, 0, 1) ** 1.5
        face = np.hypot(x / jaw, np.abs(y / skull) ** 1.1) - 1
        ears = 0.13 * (np.hypot((beside - 0.99) / 0.13, (y - 0.16) / 0.25) - 1)
        style = int(rng.integers(3))
        temples = np.clip((beside - 0.60) / 0.40, 0, 1) ** 2
        hairline = (-0.76, -0.80, -0.62)[style] + rng.uniform(-0.12, 0.12) * x + 0.9 * temples
        cap = np.hypot(x / 1.09, (y + 0.06) / (skull + 0.10)) - 1
        falls_to = (-9.0, 1.40, 0.75)[style]  # short, long, bob
        curtain = np.hypot(x / 1.22, np.minimum(y + 0.06, 0.3 * y) / (skull + 0.14)) - 1
        back = np.maximum(curtain, y + 0.12 * x**2 - falls_to)

        light = self._light_on_face(x, y) - 0.16 * np.exp(-np.abs(y - hairline) / 0.09)
        strands = rng.uniform(0.84, 1.12, 90)
        angle = np.arctan2(x - 0.1, y + 2.2)
        gloss = np.interp(angle, np.linspace(-1.6, 1.6, 90), strands)
        gloss += 0.25 * _bump(x, y, (-0.3, -1.2), (0.6, 0.2))
        head = np.zeros((n_y, n_x, 3))
        alpha = np.zeros((n_y, n_x))
        for colour, shade, signed in (
            (self.hair, 0.75 * gloss, back),
            (self.skin, np.full_like(x, 0.80), ears),
            (self.skin, light, face),
            (self.hair, gloss, np.maximum(cap, y - hairline)),
        ):
            cover = self._cover(signed)
            head = _over(head, colour, shade, cover)
            alpha = alpha + (1 - alpha) * cover
        return np.dstack([_to_image(head), _to_image(255 * alpha)])

    def _light_on_face(self, x: Floats, y: Floats) -> Floats:
        """Light from the upper left on forehead, sockets, nose and cheeks; 1 is the plain skin."""
        light = 1.0 - 0.07 * x - 0.04 * y
        light -= 0.22 * np.clip(np.hypot(x, y / self._skull) - 0.6, 0, 1) ** 1.5 / 0.25
        for spot, spread, amount in (
            ((-0.15, -0.55), (0.55, 0.28), 0.06),
            ((-self.eye_x, -0.09), (0.30, 0.22), -0.27),
            ((self.eye_x, -0.09), (0.30, 0.22), -0.27),
            ((-0.52, 0.42), (0.30, 0.22), 0.10),
            ((0.50, 0.42), (0.30, 0.22), 0.10),
            ((-0.02, 0.20), (0.08, 0.34), 0.12),
            ((0.12, 0.34), (0.07, 0.24), -0.10),
            ((-0.02, 0.52), (0.10, 0.08), 0.08),
            ((0.0, 0.64), (0.19, 0.045), -0.24),
            ((-0.09, 0.625), (0.045, 0.025), -0.35),
            ((0.09, 0.625), (0.045, 0.025), -0.35),
            ((0.0, 1.10), (0.22, 0.05), -0.10),
        ):
            light += amount * _bump(x, y, spot, spread)
        return light

    def _cover(self, signed: Floats) -> Floats:
        """Share of each pixel inside a shape, from its distance to the edge in units, negative inside."""
        return np.asarray(np.clip(0.5 - signed * self.unit, 0, 1))


def tint(colour: Colour, factor: float) -> Colour:
    """A colour made darker (factor below 1) or lighter."""
    return (factor * colour[0], factor * colour[1], factor * colour[2])


def _pick(palette_rgb: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    """One colour of a palette, slightly changed, as BGR."""
    red, green, blue = palette_rgb[rng.integers(len(palette_rgb))]
    return tint((blue, green, red), float(rng.uniform(0.95, 1.05)))


def _bump(x: Floats, y: Floats, spot: tuple[float, float], spread: tuple[float, float]) -> Floats:
    return np.asarray(np.exp(-(((x - spot[0]) / spread[0]) ** 2) - ((y - spot[1]) / spread[1]) ** 2))


def _over(image: Floats, colour: Colour, shade: Floats, cover: Floats) -> Floats:
    """Lay a shaded colour over an image [h, w, 3] where it covers it [h, w]."""
    return np.asarray(image + cover[:, :, None] * (shade[:, :, None] * np.array(colour) - image))


def _to_image(values: Floats) -> Image:
    return np.asarray(np.clip(np.round(values), 0, 255), dtype=np.uint8)
