"""The figures of the documentation, drawn when it is built; what can be computed, emostream's own code computes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from figures.chain import draw_chain
from figures.clip import draw_clip
from figures.pools import draw_pools
from figures.windows import draw_windows

__all__ = ["draw_all"]

_FIGURES: dict[str, Callable[[], Figure]] = {
    "chain": draw_chain,
    "windows": draw_windows,
    "clip": draw_clip,
    "pools": draw_pools,
}


def draw_all() -> dict[str, str]:
    """Each figure's name and SVG; equal code gives equal bytes."""
    style: Any = {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "emostream", "svg.fonttype": "path"}
    found = {}
    with plt.rc_context(style):
        for name, draw in _FIGURES.items():
            figure = draw()
            svg = io.StringIO()
            figure.savefig(svg, format="svg", metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)
            found[name] = svg.getvalue()
    return found
