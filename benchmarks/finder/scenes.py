"""Composites with a fixed seed, whose truth is each pasted face's own label, and pictures without faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from emostream.engines.frontend.picture import Image
from emostream.trainer.finder import light
from emostream.trainer.finder.composites import Composer, Composite, Placement
from emostream.trainer.finder.pasting import background, piece
from emostream.trainer.finder.photos import Part

__all__ = ["HEIGHT", "SEED", "WIDTH", "Condition", "conditions", "faceless"]

HEIGHT, WIDTH = 480, 640
SEED = 2020
Condition = Callable[[Composer, np.random.Generator], Composite]


def conditions() -> dict[str, Condition]:
    """What is measured; each gives one picture."""
    made: dict[str, Condition] = {}
    for width in (12, 16, 24, 48, 64, 72, 80, 96, 200):
        made[f"width {width}"] = partial(_of_width, float(width))
    for roll in (30, 60):
        made[f"roll {roll}"] = partial(_rolled, float(roll))
    made["cut"] = _cut
    made["masked"] = lambda c, r: _scene(c, r, _some_widths(r, 24, 150, 2), cover="mask")
    made["glasses"] = lambda c, r: _scene(c, r, _some_widths(r, 24, 150, 2), cover="glasses")
    made["dim"] = lambda c, r: _dim(_scene(c, r, _some_widths(r, 24, 150, 2)), r)
    made["blurred"] = lambda c, r: _blurred(_scene(c, r, _some_widths(r, 24, 150, 2)), r)
    made["0 to 5 faces"] = lambda c, r: _scene(c, r, _some_widths(r, 16, 110, int(r.integers(0, 6))))
    return made


def _of_width(width: float, composer: Composer, rng: np.random.Generator) -> Composite:
    return _scene(composer, rng, [width] * (1 if width > 150 else int(rng.integers(1, 4))))


def _rolled(roll: float, composer: Composer, rng: np.random.Generator) -> Composite:
    return _scene(composer, rng, _some_widths(rng, 24, 150, 2), roll=roll)


def _some_widths(rng: np.random.Generator, least: float, most: float, count: int) -> list[float]:
    return sorted((float(w) for w in np.exp(rng.uniform(np.log(least), np.log(most), count))), reverse=True)


def _scene(
    composer: Composer, rng: np.random.Generator, widths: list[float], roll: float = 0.0, cover: str = "none"
) -> Composite:
    placements: list[Placement] = []
    for width in widths:
        for _ in range(50):
            reach = 0.72 * width
            x, y = (
                rng.uniform(min(reach, 240), WIDTH - min(reach, 240)),
                rng.uniform(min(reach, 239), HEIGHT - min(reach, 239)),
            )
            if all(np.hypot(x - p.centre[0], y - p.centre[1]) > reach + 0.72 * p.width for p in placements):
                angle = roll * (1 if rng.random() < 0.5 else -1) + rng.normal(0, 3)
                placements.append(Placement((float(x), float(y)), width, float(angle), cover))
                break
    return composer.scene(HEIGHT, WIDTH, placements)


def _cut(composer: Composer, rng: np.random.Generator) -> Composite:
    """A face of which 20 to 40 % are beyond a border."""
    width = float(np.exp(rng.uniform(np.log(40), np.log(200))))
    out = rng.uniform(0.2, 0.4)
    side = int(rng.integers(3))
    x, y = rng.uniform(width, WIDTH - width), rng.uniform(0.7 * width, HEIGHT - 0.7 * width)
    if side < 2:
        x = width * (0.5 - out) if side == 0 else WIDTH - width * (0.5 - out)
    else:
        y = HEIGHT - 1.36 * width * (0.5 - out)
    return composer.scene(HEIGHT, WIDTH, [Placement((float(x), float(y)), width, float(rng.normal(0, 5)))])


def _dim(composite: Composite, rng: np.random.Generator) -> Composite:
    dark = light.dimmed(composite.image, rng, rng.uniform(0.07, 0.2))
    return Composite(dark, composite.boxes, composite.points, composite.seen)


def _blurred(composite: Composite, rng: np.random.Generator) -> Composite:
    soft = light.blurred(composite.image, rng, 2.0)
    return Composite(soft, composite.boxes, composite.points, composite.seen)


def faceless(part: Part, count: int, rng: np.random.Generator) -> dict[str, list[Image]]:
    """Held-out pictures without faces, each cut several ways."""
    pictures = part.backgrounds
    cuts: dict[str, list[Image]] = {
        "as they are": [],
        "cut and enlarged": [],
        "four in one": [],
        "dim, grey, blurred": [],
    }
    for index in range(count):
        picture = pictures[index % len(pictures)]
        kind = list(cuts)[(index // len(pictures)) % 4]
        if kind == "as they are":
            cuts[kind].append(picture if rng.random() < 0.5 else picture[:, ::-1].copy())
        elif kind == "cut and enlarged":
            cuts[kind].append(piece(picture, HEIGHT, WIDTH, rng))
        elif kind == "four in one":
            tiles = [
                cv2.resize(p, (320, 240), interpolation=cv2.INTER_AREA)
                for p in (picture, *(pictures[rng.integers(len(pictures))] for _ in range(3)))
            ]
            cuts[kind].append(np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])]).astype(np.uint8))
        else:
            cuts[kind].append(light.through_a_camera(background([picture], HEIGHT, WIDTH, rng), rng))
    return cuts
