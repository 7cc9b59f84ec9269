"""Charts as rows of one height over one axis of time, drawn as SVG.

A row's drawing is as many units wide as there are columns, and stretched to the width of the page; words stand
beside it as text, so that they stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from emostream.streamer.eventlog.timeline import Span
from emostream.streamer.review.columns import Band, Bins
from emostream.streamer.review.figures import clock

__all__ = ["COLOURS", "ChartRow", "band_row", "colour_class", "flag_row", "label_row", "span_row", "ticks"]

Value = TypeVar("Value")

_HEIGHT = 40.0
_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_MOST_TICKS = 6
_LEAST_WORD = 6.0  # per cent of the width that a word needs
COLOURS = 8
"""Of labels, in the style sheet; with more labels they come again."""


@dataclass
class ChartRow:
    """A row of a chart.

    Attributes:
        name: beside it.
        drawing: what is inside its SVG.
        told: for each column, what the pointer shows; empty where there is nothing.
        kind: `band` or `strip`, which differ in height.
        scale: words for the top and the bottom of a band.
        swatch: the class of the colour beside its name; empty for none.
        words: per cent of the width where a word begins, and of how wide it may be, and the word.
    """

    name: str
    drawing: Markup
    told: list[str] = field(default_factory=list)
    kind: str = "strip"
    scale: tuple[str, str] = ("", "")
    swatch: str = ""
    words: list[tuple[float, float, str]] = field(default_factory=list)


def band_row(name: str, band: Band, top: float, *, colour: str, scale: tuple[str, str], form: str) -> ChartRow:
    """Lowest to highest as a band, and the mean as a line; `top` is the value at the upper edge.

    Where each column has one value, the band would be nothing, and reaches down to zero instead.
    """
    thinned = bool(np.any(band.low < band.high))

    def y(values: npt.NDArray[np.float64]) -> list[str]:
        return [
            f"{_HEIGHT * (1 - min(max(value / top, 0.0), 1.0)):.1f}" if not math.isnan(value) else ""
            for value in values
        ]

    low, high, mean = y(band.low if thinned else band.low * 0.0), y(band.high), y(band.mean)
    areas, lines = [], []
    for first, stop in _stretches([text != "" for text in mean]):
        upper = f"M{first} {high[first]}" + _steps(high, first, stop)
        lower = (
            f"V{low[stop - 1]}" + "".join(f"H{at}V{low[at - 1]}" for at in range(stop - 1, first, -1)) + f"H{first}Z"
        )
        areas.append(upper + lower)
        lines.append(f"M{first} {mean[first]}" + _steps(mean, first, stop))
    drawing = Markup('<path class="area {0}" d="{1}"/><path class="line {0}" d="{2}"/>').format(
        colour, "".join(areas), "".join(lines)
    )
    told = [_told(*values, form) for values in zip(band.low, band.high, band.mean, strict=True)]
    return ChartRow(name, drawing, told, "band", scale, swatch=colour if colour != "plain" else "")


def label_row(name: str, codes: Sequence[int], labels: Sequence[str], absent: str) -> ChartRow:
    """A label for each column, as a colour; -1 is none."""
    runs = [(code, first, width) for code, first, width in _equal(codes) if code >= 0]
    rectangles = [
        Markup('<rect class="fill {}" x="{}" width="{}" height="40"/>').format(colour_class(code), first, width)
        for code, first, width in runs
    ]
    percent = 100 / max(len(codes), 1)
    words = [(first * percent, width * percent, labels[code]) for code, first, width in runs]
    told = [labels[code] if code >= 0 else absent for code in codes]
    drawing = Markup("").join(rectangles)
    return ChartRow(name, drawing, told, words=[word for word in words if word[1] >= _LEAST_WORD])


def flag_row(name: str, share: npt.NDArray[np.float64], yes: str, no: str) -> ChartRow:
    """Share of each column's segments with something, as a bar of that height."""
    pieces = []
    heights = ["" if math.isnan(value) else f"{_HEIGHT * value:.0f}" for value in share]
    for height, first, width in _equal(heights):
        if height not in ("", "0"):
            pieces.append(
                Markup('<rect class="flag" x="{}" width="{}" y="{}" height="{}"/>').format(
                    first, width, int(_HEIGHT) - int(height), height
                )
            )
    told = ["" if math.isnan(v) else yes if v == 1 else no if v == 0 else f"{yes}: {100 * v:.0f} %" for v in share]
    return ChartRow(name, Markup("").join(pieces), told)


def span_row(name: str, spans: Iterable[Span], bins: Bins, kind: str) -> ChartRow:
    """Stretches of time; those that a column holds several of become one."""
    told: list[list[str]] = [[] for _ in range(bins.count)]
    marked = np.zeros(bins.count, np.int64)
    for number, span in enumerate(spans, 1):
        first = min(int(span.start / bins.width_s), bins.count - 1)
        last = min(max(int(np.ceil(span.end / bins.width_s - 1e-6)) - 1, first), bins.count - 1)
        marked[first : last + 1] = number
        for column in range(first, last + 1):
            if len(told[column]) < 3:  # more would not fit beside the pointer
                told[column].append(span.text)
    pieces = [
        Markup('<rect class="{}" x="{}" width="{}" y="8" height="24"/>').format(kind, first, max(width - 0.1, 0.5))
        for number, first, width in _equal(marked.tolist())
        if number
    ]
    return ChartRow(name, Markup("").join(pieces), ["; ".join(texts) for texts in told])


def colour_class(code: int) -> str:
    """The class of the style sheet that gives a label its colour."""
    return f"c{code % COLOURS}"


def ticks(bins: Bins) -> list[tuple[float, str]]:
    """Marks on the axis of time: per cent of its length, and what they say."""
    length = bins.count * bins.width_s
    days = math.ceil(length / _MOST_TICKS / _STEPS_S[-1])
    step = next((step for step in _STEPS_S if length / step <= _MOST_TICKS), days * _STEPS_S[-1])
    return [(100 * t / length, clock(t)) for t in range(0, int(length) + 1, step) if t <= 0.97 * length]


def _told(low: float, high: float, mean: float, form: str) -> str:
    if math.isnan(mean):
        return ""
    shown = form.format(mean)
    return shown if low == high else f"{shown} ({form.format(low)} to {form.format(high)})"


def _steps(y: Sequence[str], first: int, stop: int) -> str:
    return "".join(f"H{at}V{y[at]}" for at in range(first + 1, stop)) + f"H{stop}"


def _stretches(there: Sequence[bool]) -> list[tuple[int, int]]:
    """First and stop of each run of columns that have something."""
    return [(first, first + width) for value, first, width in _equal(there) if value]


def _equal(values: Sequence[Value]) -> list[tuple[Value, int, int]]:
    """Value, first column and width of each run of equal values."""
    runs: list[tuple[Value, int, int]] = []
    first = 0
    for value, group in groupby(values):
        width = sum(1 for _ in group)
        runs.append((value, first, width))
        first += width
    return runs
