"""Numbers and tables as reports write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

__all__ = ["interval", "markdown_table", "percent", "points", "span"]


def percent(share: float | None, digits: int = 2) -> str:
    """A share of 0 to 1 in percent; a dash where there is none."""
    return "-" if share is None or math.isnan(share) else f"{100 * share:.{digits}f}"


def points(difference: float | None) -> str:
    """A difference of percentages with its sign; a dash where there is none."""
    return "-" if difference is None or math.isnan(difference) else f"{difference:+.2f}"


def interval(ends: tuple[float, float]) -> str:
    """An interval of shares in percent; a dash where there is none."""
    return "-" if math.isnan(ends[0]) else f"{percent(ends[0], 1)} to {percent(ends[1], 1)}"


def span(seconds: float) -> str:
    """A duration in two units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table that can be read as text too; the first `left` columns lean left, the others right."""
    cells = [[_plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * width if place < left else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    lines = [
        " | ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (cells[0], rule, *cells[1:])
    ]
    return "".join(f"| {line} |\n" for line in lines)


def _plain(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())
