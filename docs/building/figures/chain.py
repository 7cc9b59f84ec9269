"""From a picture and a sound to an event: what happens to them, in order."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

__all__ = ["draw_chain"]

_WIDTH, _HEIGHT = 1.75, 0.86
_VIDEO, _AUDIO, _BOTH = "#ffe6cc", "#dbe9f6", "#dff0d8"

# Place (column, row), colour, title, what it does.
_BOXES: dict[str, tuple[tuple[float, float], str, str, str]] = {
    "camera": ((0, 2), _VIDEO, "camera", "grab, stamp"),
    "face": ((1, 2), _VIDEO, "face", "find, follow,\nalign the eyes"),
    "clip": ((2, 2), _VIDEO, "clip", "16 faces,\n150 x 110"),
    "c3d": ((3, 2), _VIDEO, "video network", "C3D"),
    "microphone": ((0, 0), _AUDIO, "microphone", "16 kHz, one channel"),
    "voice": ((1, 0), _AUDIO, "voice", "which 32 ms\nare speech"),
    "mel": ((2, 0), _AUDIO, "log-Mel", "64 x 64, with\nits two deltas"),
    "alexnet": ((3, 0), _AUDIO, "audio network", "AlexNet"),
    "dbn": ((4, 1), _BOTH, "fusion", "deep belief\nnetwork"),
    "video pool": ((5, 2), _VIDEO, "pool, head", "mean, SVM"),
    "fused pool": ((5, 1), _BOTH, "pool, head", "mean, SVM"),
    "audio pool": ((5, 0), _AUDIO, "pool, head", "mean, SVM"),
    "event": ((6, 1), "white", "event", "label, scores;\nZeroMQ"),
}
_ARROWS = [
    ("camera", "face"), ("face", "clip"), ("clip", "c3d"), ("c3d", "dbn"), ("c3d", "video pool"),
    ("microphone", "voice"), ("voice", "mel"), ("mel", "alexnet"), ("alexnet", "dbn"), ("alexnet", "audio pool"),
    ("dbn", "fused pool"), ("video pool", "event"), ("fused pool", "event"), ("audio pool", "event"),
]  # fmt: skip


def draw_chain() -> Figure:
    """The chain, as boxes and arrows."""
    figure, axes = plt.subplots(figsize=(9.6, 3.0), layout="constrained")
    for place, colour, title, what in _BOXES.values():
        _box(axes, place, colour, title, what)
    for start, end in _ARROWS:
        _arrow(axes, _BOXES[start][0], _BOXES[end][0])
    left, right = 0.78 * 2.0 - 0.02, 3 * 2.0 + _WIDTH / 2 + 0.12
    axes.annotate(
        "", (right, 1.35), (left + 0.9, 1.35), arrowprops={"arrowstyle": "|-|,widthA=0.25,widthB=0.25", "lw": 0.8}
    )
    axes.text((left + 0.9 + right) / 2, 1.22, "one segment: 655 ms, every 300 ms", ha="center", va="top", fontsize=8)
    axes.set(xlim=(-1.0, 6 * 2.0 + 1.0), ylim=(-0.6, 3.0))
    axes.set_axis_off()
    return figure


def _centre(place: tuple[float, float]) -> tuple[float, float]:
    return place[0] * 2.0, place[1] * 1.2


def _box(axes: Axes, place: tuple[float, float], colour: str, title: str, what: str) -> None:
    x, y = _centre(place)
    axes.add_patch(
        FancyBboxPatch(
            (x - _WIDTH / 2 + 0.08, y - _HEIGHT / 2 + 0.08), _WIDTH - 0.16, _HEIGHT - 0.16,
            boxstyle="round,pad=0.08", facecolor=colour, edgecolor="0.4", lw=0.8,
        )
    )  # fmt: skip
    axes.text(x, y + 0.26, title, ha="center", va="center", weight="bold", fontsize=8)
    axes.text(x, y - 0.12, what, ha="center", va="center", fontsize=7.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x0, y0), (x1, y1) = _centre(start), _centre(end)
    axes.add_patch(
        FancyArrowPatch(
            (x0 + _WIDTH / 2, y0), (x1 - _WIDTH / 2, y1), arrowstyle="-|>", mutation_scale=9, color="0.3", lw=0.9,
            shrinkA=1, shrinkB=1,
        )
    )  # fmt: skip
