"""How pictures are cut: the frames of a segment on the grid of 30 a second, and the sixteen of them that are kept."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from emostream.engines.frontend.clip import FrameFace, select_clip_frames
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.settings import GRID_FPS, SAMPLE_RATE, SEGMENT_SAMPLES
from emostream.trainer.actors.clip import Line, frames

__all__ = ["draw_clip"]

_SEGMENT_S = SEGMENT_SAMPLES / SAMPLE_RATE


def draw_clip() -> Figure:
    """One segment of an invented person: every frame of it, and the faces of the clip."""
    seen = _faces()
    kept = select_clip_frames(seen)
    figure = plt.figure(figsize=(8.4, 3.1), layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(1, 1.5)))
    axes = above.subplots()
    for number, face in enumerate(seen):
        inside = face in kept
        axes.plot(face.t, 0, "o", color="C0" if inside else "0.75", ms=9)
        axes.text(face.t, -0.55, str(number), ha="center", va="top", fontsize=7, color="black" if inside else "0.6")
    axes.axvspan(0, _SEGMENT_S, color="C0", alpha=0.12, lw=0)
    first = seen.index(kept[0])
    axes.set(ylim=(-1.6, 1.3), xlim=(-0.02, _SEGMENT_S + 0.02), yticks=[], xlabel="seconds of the segment")
    axes.set_title(
        f"a segment's {len(seen)} frames at {GRID_FPS} a second; the first {first} and the last "
        f"{len(seen) - first - len(kept)} go, {len(kept)} stay",
        loc="left", fontsize=9,
    )  # fmt: skip
    for each in ("left", "right", "top"):
        axes.spines[each].set_visible(False)
    for number, (place, face) in enumerate(zip(below.subplots(2, 8).flat, kept, strict=True)):
        place.imshow(face.crop)
        place.set_axis_off()
        place.text(6, 22, str(number + first), color="white", fontsize=7)
    return figure


def _faces() -> list[FrameFace]:
    """The faces of the frames that lie in one segment, once the face has been found."""
    tracker = FaceTracker(ViolaJones())
    count = math.ceil(_SEGMENT_S * GRID_FPS)
    found = [tracker.update(t, image) for t, image in frames((Line("joy", 1.5, clear=True),), actor=3)]
    segment = [face for face in found if face.crop is not None][-count:]
    begin = segment[0].t
    return [FrameFace(face.t - begin, face.size, face.box, face.crop, face.brightness) for face in segment]
