"""Drawn faces as FER2013 has them: the box of the face, 48 x 48, grey."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.picture import Eyes
from emostream.trainer.actors.face import LOOKS, Face

__all__ = ["SIDE", "blank", "drawn"]

SIDE = 48


def drawn(actor: int) -> tuple[npt.NDArray[np.uint8], Eyes]:
    """A face, uint8 [48, 48], and where its eyes were found in full resolution, in pixels of 48."""
    large = Face(actor).draw(0.5, 0, LOOKS["neutral"])
    (found,) = ViolaJones().search(large)
    x, y, wide, high = map(int, found.box)
    grey = cv2.cvtColor(large[y : y + high, x : x + wide], cv2.COLOR_BGR2GRAY)
    assert found.eyes
    (lx, ly), (rx, ry) = (
        ((ex - x + 0.5) * SIDE / wide - 0.5, (ey - y + 0.5) * SIDE / high - 0.5) for ex, ey in found.eyes
    )
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8), ((lx, ly), (rx, ry))


def blank(grey: int) -> npt.NDArray[np.uint8]:
    """No face at all."""
    return np.full((SIDE, SIDE), grey, np.uint8)
