"""The report as one page that holds all it needs, and asks no other host for anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from emostream.streamer.colours import colours_of
from emostream.streamer.eventlog.timeline import MARGIN_SECONDS
from emostream.streamer.review.charts import Chart, apart_chart, latency_chart, recognised_chart
from emostream.streamer.review.columns import Bins, TakeColumns, Turn
from emostream.streamer.review.figures import Gaps, Row, clock, find_gaps, label_rows, summary_rows
from emostream.streamer.review.lanes import COLOURS

__all__ = ["GENERATOR", "Report", "render"]

GENERATOR = "emostream review"
_MOST_TURNS = 200


@dataclass
class Report:
    """What a report tells.

    Attributes:
        title: of the page.
        source: what was read.
        takes: at least one.
        left_out: how many more takes there were.
        skipped: what was passed over of the file, in words.
        description: what `recording.json` says.
        facts: more rows for the top of the page.
    """

    title: str
    source: str
    takes: Sequence[TakeColumns]
    left_out: int = 0
    skipped: str = ""
    description: Mapping[str, Any] = field(default_factory=dict)
    facts: Sequence[Row] = ()


@dataclass(frozen=True)
class _Section:
    """One take, ready for the page."""

    number: int
    take: TakeColumns
    begun: str
    summary: list[Row]
    labels: list[Row]
    charts: list[Chart]
    gaps: Gaps
    turns: list[Turn]
    turns_left_out: int
    heads_unknown: bool


def render(report: Report) -> str:
    """The page; whatever comes from files is escaped."""
    sections = [_section(number, take) for number, take in enumerate(report.takes, 1)]
    return _template().render(
        report=report,
        sections=sections,
        facts=[*_facts(report), *report.facts],
        data=_data(sections),
        colours=colours_of((*report.takes[0].labels, *("other",) * COLOURS)[:COLOURS]),
        generator=GENERATOR,
        version=version("emostream"),
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("emostream.streamer.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(clock=clock)
    return environment.get_template("report.html")


def _section(number: int, take: TakeColumns) -> _Section:
    ends = [float(take.ends[-1]) - MARGIN_SECONDS] if len(take) else []
    bins = Bins(take.middles, max([*ends, *(turn.end for turn in take.turns)], default=0.0))
    gaps = find_gaps(take)
    charts = [recognised_chart(take, bins), apart_chart(take, bins), latency_chart(take, bins)]
    return _Section(
        number=number,
        take=take,
        begun=_begun(take),
        summary=summary_rows(take, gaps),
        labels=label_rows(take),
        charts=[chart for chart in charts if chart is not None],
        gaps=gaps,
        turns=take.turns[:_MOST_TURNS],
        turns_left_out=max(0, len(take.turns) - _MOST_TURNS),
        heads_unknown=charts[1] is None,
    )


def _begun(take: TakeColumns) -> str:
    """When a live take began; times of a clip are its own."""
    if not take.first_unix or take.first_unix < 1:
        return ""
    try:
        return datetime.fromtimestamp(take.first_unix, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return ""


def _facts(report: Report) -> list[Row]:
    """What the description says that people ask first; it comes from a file, so it may say anything."""
    said, rows = report.description, []
    bundle, engine = said.get("bundle"), said.get("engine")
    for what, value in (
        ("recorded", said.get("started")),
        ("until", said.get("ended")),
        ("emostream", said.get("emostream")),
    ):
        if isinstance(value, str):
            rows.append(Row(what, value))
    if isinstance(bundle, dict):
        state = "trained" if bundle.get("trained") else "untrained: its scores mean nothing"
        rows.append(Row("bundle", f"{bundle.get('name')} ({bundle.get('preset')}, {state})", str(bundle.get("sha256"))))
    if isinstance(engine, dict):
        rows.append(Row("engine", f"{engine.get('name')} on {engine.get('device')}, {engine.get('precision')}"))
    if said and not said.get("ended"):
        rows.append(Row("state", "not ended: it still runs, or was killed"))
    if report.skipped:
        rows.append(Row("passed over", report.skipped))
    if report.left_out:
        rows.append(
            Row("left out", f"{report.left_out} more sessions; this page shows the longest {len(report.takes)}")
        )
    return rows


def _data(sections: Sequence[_Section]) -> dict[str, Any]:
    """What the pointer shows, by the id of the chart."""
    return {
        f"chart-{section.number}-{place}": {
            "width": chart.width_s,
            "lanes": [{"name": lane.name, "told": lane.told} for lane in chart.lanes],
        }
        for section in sections
        for place, chart in enumerate(section.charts, 1)
    }
