"""Figures in a report: quantiles, Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from emostream.engines.errors import PublishError

__all__ = [
    "Summary",
    "figure",
    "markdown_table",
    "page",
    "page_head",
    "quantile",
    "shown_path",
    "today",
    "write_json",
    "write_report",
    "write_text",
]


@dataclass(frozen=True)
class Summary:
    """The distribution of a figure; quantiles by the same rule as in status events."""

    count: int
    mean: float
    min: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary | None:
        """Summarise values; None where there are none."""
        ordered = sorted(values)
        if not ordered:
            return None
        return cls(
            count=len(ordered),
            mean=round(sum(ordered) / len(ordered), 4),
            min=round(ordered[0], 4),
            p50=round(quantile(ordered, 0.50), 4),
            p95=round(quantile(ordered, 0.95), 4),
            p99=round(quantile(ordered, 0.99), 4),
            max=round(ordered[-1], 4),
        )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that at least `share` of them don't exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def figure(value: float | None) -> str:
    """A number for a table, with three digits or so; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)]) + "\n"


def page(parts: Iterable[str]) -> str:
    """Parts of a page, an empty line between each two."""
    return "\n\n".join(part.strip() for part in parts) + "\n"


def page_head(
    title: str, date: str, command: str, machine: Iterable[tuple[str, str]], *, lead: str = "", picture: str = ""
) -> list[str]:
    """The first parts of a report's page: its title, and when, by which command and on what it was measured.

    Args:
        title: of the page.
        date: of the measurement.
        command: that gave it.
        machine: what it ran on, as rows of a table.
        lead: a sentence or two before the date, such as the result.
        picture: an image in Markdown, above the machine.
    """
    measured = f"{date}, `{command}`"
    return [
        f"# {title}",
        f"{lead} {measured}" if lead else measured,
        *([picture] if picture else []),
        markdown_table(("machine", ""), machine),
    ]


def today() -> str:
    """The moment, in UTC to the minute."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def shown_path(path: Path) -> str:
    """A path as a report may show it: as given if that is below the working directory, else its name alone."""
    inside = not path.is_absolute() and ".." not in path.parts
    return path.as_posix() if inside else path.name


def write_json(file: Path, report: Any) -> None:
    """Write a dataclass or a mapping as JSON.

    Raises:
        PublishError: the file can't be written.
    """
    content = dict(report) if isinstance(report, Mapping) else asdict(report)
    write_text(file, json.dumps(content, indent=1) + "\n")


def write_report(folder: Path, name: str, report: Any, text: str, plot: Callable[[Path], object] | None = None) -> None:
    """Write NAME.json, NAME.md and, where there is something to plot, NAME.png; print the text and what was written.

    Raises:
        PublishError: a file can't be written.
    """
    write_json(folder / f"{name}.json", report)
    if plot is not None:
        plot(folder / f"{name}.png")
    write_text(folder / f"{name}.md", text)
    print(text)
    print(f"written: {folder / name}.md, .json{'' if plot is None else ', .png'}")


def write_text(file: Path, text: str) -> None:
    """Write a text, and the folders on the way to it.

    Raises:
        PublishError: the file can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PublishError(f"can't write {file}: {error.strerror}; choose another folder with --output") from None
