"""The actor's face: a drawn person whom a face detector takes for a real one.

Each frame adds brows, eyes and mouth to a copy of the portrait's head, turns and shifts it, and lays it over
the scene with camera noise. Lengths are in units of half the face's width, as in the portrait.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import lru_cache

import cv2
import numpy as np

from emostream.trainer.actors.portrait import Colour, Floats, Image, Portrait, tint

__all__ = ["CLEAR_LOOKS", "LOOKS", "Face", "Look"]

_SUBPIXEL_BITS = 4
_BLINK_EVERY_S = 5.0
_GLANCE_S = 1.4
_N_NOISES = 7
_NOISE_MARGIN = 64  # pixels
_EYE_WHITE = (232, 236, 238, 255)
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 24)), np.sin(np.linspace(0, 2 * np.pi, 24))])
_SWAY_HZ = np.array([[0.23, 0.61], [0.19, 0.53], [0.17, 0.47], [0.11, 0.29]])  # of x, y, roll, zoom


@dataclass(frozen=True)
class Look:
    """An expression; heights are in units of half the face's width, up is positive.

    Attributes:
        brow_inner: height of the brows' inner ends.
        brow_outer: height of the brows' outer ends.
        eye_open: opening of the eyes, 1 at rest.
        mouth_curve: from -1, corners down, to 1, corners up.
        mouth_open: gap between the lips.
        mouth_width: 1 at rest.
        furrow: folds between the brows and beside the nose, 0 to 1.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    eye_open: float = 1.0
    mouth_curve: float = 0.0
    mouth_open: float = 0.0
    mouth_width: float = 1.0
    furrow: float = 0.0

    def towards(self, other: Look, share: float) -> Look:
        """The look that lies a share (0 to 1) of the way to another."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Look(*((1 - share) * a + share * b for a, b in pairs))


_HOSTILE = Look(-0.13, 0.05, eye_open=0.85, mouth_curve=-0.55, mouth_width=0.92, furrow=1.0)
_STARTLED = Look(0.12, 0.09, eye_open=1.25, mouth_open=0.16, mouth_width=0.80)

LOOKS: dict[str, Look] = {
    "anger": _HOSTILE,
    "disgust": _HOSTILE,
    "fear": _STARTLED,
    "surprise": _STARTLED,
    "joy": Look(0.03, 0.05, eye_open=0.88, mouth_curve=1.0, mouth_open=0.07, mouth_width=1.2),
    "sadness": Look(0.13, -0.06, eye_open=0.82, mouth_curve=-0.75, mouth_width=0.95),
    "neutral": Look(),
}


CLEAR_LOOKS: dict[str, Look] = {
    "anger": Look(-0.24, 0.15, eye_open=1.1, mouth_curve=-0.2, mouth_open=0.40, mouth_width=0.95, furrow=1.4),
    "fear": Look(0.10, -0.11, eye_open=1.25, mouth_open=0.30, mouth_width=0.75, furrow=0.8),
    "surprise": Look(0.04, 0.07, eye_open=1.33, mouth_curve=-0.3, mouth_open=0.28, mouth_width=0.85, furrow=0.2),
    "joy": LOOKS["joy"],
    "sadness": Look(0.17, -0.06, eye_open=0.7, mouth_curve=-0.6, mouth_open=0.10, mouth_width=0.95, furrow=0.6),
}
"""As strong as on a stage, each emotion's own: of what a network sees in it that learnt from real faces alone. Where
there is none, the plain one is played."""


@lru_cache(maxsize=2)
def _portrait(actor: int, size: tuple[int, int]) -> Portrait:
    """Takes of one actor share the portrait, which nothing changes."""
    return Portrait(actor, size)


class Face:
    """One actor before a wall.

    Args:
        actor: seed of the person: shape, colours, hair, place, wall.
        size: width and height of the pictures, in pixels.
        seed: seed of the take: motion of head and eyes, blinks, camera noise.
    """

    def __init__(self, actor: int, size: tuple[int, int] = (640, 480), seed: int = 0) -> None:
        width, height = size
        self._portrait = _portrait(actor, size)
        take = np.random.default_rng((202, actor, seed))
        self._phases = take.uniform(0, 2 * np.pi, (4, 2))
        self._glances = take.uniform(-1, 1, (64, 2)) * (0.035, 0.015)
        self._blinks = take.uniform(0.5, 3.5, 64)
        # Windows of one field differ as fields of their own would. Two unsigned parts add faster than signed noise.
        field = take.standard_normal((height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3), dtype=np.float32)
        noise = np.clip(np.rint(2.2 * field), -9, 9).astype(np.int16)
        lighter, darker = (np.maximum(part, 0).astype(np.uint8) for part in (noise, -noise))
        self._noises = [
            tuple(part[y : y + height, x : x + width] for part in (lighter, darker))
            for y, x in take.integers(0, _NOISE_MARGIN, (_N_NOISES, 2))
        ]
        self._eyeballs = np.full_like(self._portrait.head, _EYE_WHITE)
        self._shown = np.zeros_like(self._portrait.head)

    def background(self, index: int) -> Image:
        """The wall without the person, uint8 [H, W, 3] BGR; the index chooses the camera noise."""
        return self._noisy(self._portrait.wall, index)

    def draw(self, seconds: float, index: int, look: Look, opening: float = 0.0) -> Image:
        """Draw one frame.

        Args:
            seconds: time in the clip, for motion and blinks.
            index: number of the frame, for the camera noise.
            look: the expression.
            opening: how far speech opens the mouth, 0 to 1.

        Returns:
            uint8 [H, W, 3], BGR.
        """
        head = self._portrait.head.copy()
        self._draw_folds(head, look)
        self._draw_eyes(head, look, seconds)
        self._draw_brows(head, look)
        self._draw_mouth(head, look, opening)
        return self._noisy(self._place(head, seconds), index)

    def _noisy(self, image: Image, index: int) -> Image:
        lighter, darker = self._noises[index % _N_NOISES]
        return np.asarray(cv2.subtract(cv2.add(image, lighter), darker), dtype=np.uint8)

    def _place(self, head: Image, seconds: float) -> Image:
        """Lay the head over the scene, moved a little as heads do."""
        unit, home = self._portrait.unit, self._portrait.home
        angles = 2 * np.pi * seconds * _SWAY_HZ + self._phases
        x, y, roll, zoom = (np.sin(angles) @ (0.7, 0.3)) * (0.05, 0.03, 0.035, 0.015)
        turn = (1 + zoom) * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        neck = unit * np.array([0.0, 1.2])
        corner = unit * self._portrait.corner
        low = np.maximum(np.floor(home + 1.05 * corner), 0).astype(int)
        shift = home - low + unit * np.array([x, y]) + neck + turn @ (corner - neck)
        frame: Image = self._portrait.scene.copy()
        part = frame[low[1] :, low[0] :][: int(1.1 * head.shape[0]), : int(1.1 * head.shape[1])]
        moved = cv2.warpAffine(head, np.column_stack([turn, shift]), (part.shape[1], part.shape[0]))
        behind = cv2.cvtColor(255 - moved[:, :, 3], cv2.COLOR_GRAY2BGR)
        part[:] = cv2.add(cv2.multiply(part, behind, scale=1 / 255), cv2.cvtColor(moved, cv2.COLOR_BGRA2BGR))
        return frame

    def _fill(self, image: Image, x: Floats, y: Floats, colour: Colour) -> None:
        """Fill the polygon through points given in units, x and y [n]."""
        points = self._portrait.unit * (np.stack([x, y], axis=1) - self._portrait.corner)
        fixed = np.round(points * 2**_SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(image, [fixed], (*colour, 255), cv2.LINE_AA, _SUBPIXEL_BITS)

    def _band(self, image: Image, x: Floats, above: Floats, below: Floats, colour: Colour) -> None:
        """Fill what lies between two curves over x [n]."""
        self._fill(image, np.concatenate([x, x[::-1]]), np.concatenate([above, below[::-1]]), colour)

    def _stroke(self, image: Image, x: Floats, y: Floats, colour: Colour, width: float) -> None:
        """Draw a tapered line of a width in units."""
        half = 0.5 * width * np.sqrt(np.sin(np.linspace(0.12, np.pi - 0.12, len(x))))
        self._band(image, x, y - half, y + half, colour)

    def _disc(self, image: Image, x: float, y: float, radius: float, colour: Colour) -> None:
        self._fill(image, x + radius * _CIRCLE[0], y + radius * _CIRCLE[1], colour)

    def _draw_folds(self, head: Image, look: Look) -> None:
        """Folds of a frown between the brows and beside the nose, and of a smile beside the mouth."""
        t = np.linspace(-1, 1, 9)
        frown = tint(self._portrait.skin, 1 - 0.30 * look.furrow)
        smile = tint(self._portrait.skin, 1 - 0.20 * look.mouth_curve)
        for side in (-1, 1):
            if look.furrow > 0.1:
                self._stroke(head, side * (0.08 + 0.015 * t), -0.25 + 0.11 * t, frown, 0.03)
                self._stroke(head, side * (0.30 + 0.10 * t), 0.66 + 0.10 * t, frown, 0.03)
            if look.mouth_curve > 0.1:
                self._stroke(head, side * (0.52 + 0.09 * t - 0.04 * t * t), 0.74 + 0.17 * t, smile, 0.035)

    def _draw_eyes(self, head: Image, look: Look, seconds: float) -> None:
        """Eyeballs that glance about show between lids that blink."""
        blink_s = self._blinks[int(seconds / _BLINK_EVERY_S) % len(self._blinks)]
        closed = max(0.0, 1 - abs(seconds % _BLINK_EVERY_S - blink_s) / 0.08)
        gap = 0.115 * look.eye_open * (1 - closed) + 0.004
        gaze_x, gaze_y = self._glances[int(seconds / _GLANCE_S) % len(self._glances)]
        hair, skin, iris = self._portrait.hair, self._portrait.skin, self._portrait.iris
        t = np.linspace(-1, 1, 17)
        rows = slice(*(int(self._portrait.unit * (y - self._portrait.corner[1])) for y in (-0.3, 0.3)))
        eyeballs, shown = self._eyeballs, self._shown
        eyeballs[rows], shown[rows] = _EYE_WHITE, 0
        lids = []
        for side in (-1, 1):
            x = side * self._portrait.eye_x + 0.215 * t
            upper = -gap * (1 - t * t) ** 0.65 - 0.015 * side * t
            lower = min(0.07, gap) * (1 - t * t) ** 0.8 - 0.015 * side * t
            lids.append((x, upper, lower))
            self._band(shown, x, upper, lower, (255, 255, 255))
            centre_x = side * self._portrait.eye_x + gaze_x
            for radius, colour in ((0.108, tint(iris, 0.5)), (0.092, iris), (0.052, (12, 10, 10))):
                self._disc(eyeballs, centre_x, gaze_y, radius, colour)
            self._disc(eyeballs, centre_x - 0.035, gaze_y - 0.035, 0.02, (255, 255, 255))
        share = shown[rows].astype(np.uint16)
        head[rows] = ((255 - share) * head[rows] + share * eyeballs[rows]) // 255
        for x, upper, lower in lids:
            self._stroke(head, x, lower, tint(skin, 0.62), 0.022)
            self._stroke(head, x, upper, tint(hair, 0.45), 0.045)
            self._stroke(head, x[2:-2], upper[2:-2] - 0.06, tint(skin, 0.68), 0.02)

    def _draw_brows(self, head: Image, look: Look) -> None:
        hair, skin = self._portrait.hair, self._portrait.skin
        # Brows as light as the skin would hide the face from the detector.
        colour = tint(hair, 0.6 * min(1.0, 0.62 * sum(skin) / sum(hair)))
        t = np.linspace(0, 1, 13)
        y = -0.25 - look.brow_inner * (1 - t) - look.brow_outer * t - 0.10 * t * (1.6 - 1.4 * t)
        for side in (-1, 1):
            self._stroke(head, side * (self._portrait.eye_x - 0.24 + 0.50 * t), y, colour, 0.09)

    def _draw_mouth(self, head: Image, look: Look, opening: float) -> None:
        gap = 0.5 * (look.mouth_open + 0.17 * opening)
        lips = self._portrait.lips
        t = np.linspace(-1, 1, 25)
        bulge = np.sqrt(1 - t * t)
        x = 0.36 * look.mouth_width * (1 - 0.5 * gap) * t
        middle = 0.90 + (1 - 2 * gap) * look.mouth_curve * (0.06 - 0.17 * t * t)
        above, below = middle - gap * bulge, middle + gap * bulge
        rim = above - (0.055 + 0.02 * np.abs(np.sin(np.pi * t))) * bulge
        self._band(head, x, rim, below + 0.085 * bulge, lips)
        self._band(head, x, rim, middle, tint(lips, 0.88))
        if gap < 0.015:
            self._stroke(head, x, middle, tint(lips, 0.45), 0.03)
        else:
            self._band(head, x, above, below, (38, 26, 58))
            self._band(head, 0.9 * x, above, above + min(0.07, 0.8 * gap) * bulge, (222, 228, 230))
