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
from emostream.streamer.review.chart_rows import COLOURS
from emostream.streamer.review.charts import Chart, apart_chart, latency_chart, recognised_chart
from emostream.streamer.review.columns import Bins, SessionColumns, Turn
from emostream.streamer.review.figures import Gaps, Row, clock, find_gaps, label_rows, summary_rows

__all__ = ["GENERATOR", "Report", "render"]

GENERATOR = "emostream review"
_MOST_TURNS = 200


@dataclass
class Report:
    """What a report tells.

    Attributes:
        title: of the page.
        source: what was read.
        sessions: at least one.
        left_out: how many more sessions there were.
        skipped: what was passed over of the file, in words.
        description: what `recording.json` says.
        facts: more rows for the top of the page.
    """

    title: str
    source: str
    sessions: Sequence[SessionColumns]
    left_out: int = 0
    skipped: str = ""
    description: Mapping[str, Any] = field(default_factory=dict)
    facts: Sequence[Row] = ()


@dataclass(frozen=True)
class _Section:
    """One session, ready for the page."""

    number: int
    session: SessionColumns
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
    sections = [_section(number, session) for number, session in enumerate(report.sessions, 1)]
    return _template().render(
        report=report,
        sections=sections,
        facts=[*_facts(report), *report.facts],
        data=_data(sections),
        colours=colours_of((*report.sessions[0].labels, *("other",) * COLOURS)[:COLOURS]),
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


def _section(number: int, session: SessionColumns) -> _Section:
    ends = [float(session.ends[-1]) - MARGIN_SECONDS] if len(session) else []
    bins = Bins(session.middles, max([*ends, *(turn.end for turn in session.turns)], default=0.0))
    gaps = find_gaps(session)
    charts = [recognised_chart(session, bins), apart_chart(session, bins), latency_chart(session, bins)]
    return _Section(
        number=number,
        session=session,
        begun=_begun(session),
        summary=summary_rows(session, gaps),
        labels=label_rows(session),
        charts=[chart for chart in charts if chart is not None],
        gaps=gaps,
        turns=session.turns[:_MOST_TURNS],
        turns_left_out=max(0, len(session.turns) - _MOST_TURNS),
        heads_unknown=charts[1] is None,
    )


def _begun(session: SessionColumns) -> str:
    """When a live session began; times of a clip are its own."""
    if not session.first_unix or session.first_unix < 1:
        return ""
    try:
        return datetime.fromtimestamp(session.first_unix, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
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
            Row("left out", f"{report.left_out} more sessions; this page shows the longest {len(report.sessions)}")
        )
    return rows


def _data(sections: Sequence[_Section]) -> dict[str, Any]:
    """What the pointer shows, by the id of the chart."""
    return {
        f"chart-{section.number}-{place}": {
            "width": chart.width_s,
            "lanes": [{"name": row.name, "told": row.told} for row in chart.rows],
        }
        for section in sections
        for place, chart in enumerate(section.charts, 1)
    }
