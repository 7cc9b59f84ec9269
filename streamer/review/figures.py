"""The figures of a session, as rows of a table, and where the face, the voice, a source or events are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.grid import SHIFT_SECONDS
from emostream.streamer.eventlog.timeline import display_interval
from emostream.streamer.review.columns import REASONS, SessionColumns

__all__ = ["Gap", "Gaps", "Row", "clock", "find_gaps", "label_rows", "latency_quantiles", "summary_rows"]

_QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}

_SHORTEST_GAP_S = 1.0  # a shorter one is counted, not listed
_LISTED_GAPS = 50


class Row(NamedTuple):
    """A figure: what it is, its value, and what it means."""

    what: str
    value: str
    note: str = ""


def summary_rows(session: SessionColumns, gaps: Gaps) -> list[Row]:
    """What a session comes to."""
    count = len(session)
    rows = [
        Row("length", clock(float(session.ends[-1])) if count else "0:00", "of the stream's own axis"),
        Row("segments", f"{count:,}", f"one every {1000 * SHIFT_SECONDS:.0f} ms"),
        Row("utterances", f"{len(session.turns):,}", _spoken(session)),
        Row("face there", _share(session.face_reasons == -1), "of the segments"),
        Row("voice there", _share(session.voice_reasons == -1), "of the segments"),
        Row("no result", _share(session.label_codes == -1), "neither face nor voice, so none is made up"),
    ]
    changed = (
        (session.own_label_codes != session.label_codes) & (session.own_label_codes >= 0) & (session.label_codes >= 0)
    )
    rows.append(Row("another label alone", _share(changed), "segments that say otherwise than their pool"))
    for what, (times, seconds) in gaps.totals.items():
        if what != "events missing":
            rows.append(Row(what, f"{times:,} time{'s' * (times != 1)}", f"{clock(seconds)} altogether"))
    missing = sum(number for _, number in session.missing)
    rows.append(Row("events missing", f"{missing:,}", "by their numbers, which have no gaps where nothing was lost"))
    dropped = session.dropped
    rows.append(Row("segments dropped", f"{dropped.segments:,}", "the engine fell behind"))
    rows.append(Row("pictures dropped", f"{dropped.frames:,}", "vision fell behind"))
    rows.append(Row("sound lost", f"{dropped.audio_ms:,.0f} ms", "gaps, and what came too late"))
    if session.passed_over:
        rows.append(Row("out of order", f"{session.passed_over:,}", "segments that are not shown"))
    return rows


def label_rows(session: SessionColumns) -> list[Row]:
    """How often each label was the result, the most frequent first."""
    counts = np.bincount(session.label_codes[session.label_codes >= 0], minlength=len(session.labels))
    order = np.argsort(-counts, kind="stable")
    of = max(int(counts.sum()), 1)
    return [
        Row(session.labels[place], f"{100 * counts[place] / of:.1f} %", clock(float(counts[place]) * SHIFT_SECONDS))
        for place in order
    ]


def latency_quantiles(session: SessionColumns) -> dict[str, float]:
    """Milliseconds; empty where nothing was captured in real time. The smallest value that a share doesn't exceed."""
    there = np.sort(session.latencies[~np.isnan(session.latencies)])
    if not there.size:
        return {}
    return {name: float(there[math.ceil(share * there.size) - 1]) for name, share in _QUANTILES.items()}


def clock(seconds: float, *, fine: bool = False) -> str:
    """Seconds as `1:02:03.4`, without hours where there are none; with `fine`, always with tenths."""
    tenths = round(10 * max(0.0, seconds))
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}" + (f".{tenths % 10}" if tenths % 10 or fine else "")
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _spoken(session: SessionColumns) -> str:
    return f"{clock(sum(turn.end - turn.start for turn in session.turns))} of speech in them"


def _share(flags: npt.NDArray[np.bool_]) -> str:
    return f"{100 * flags.mean():.1f} %" if flags.size else "-"


@dataclass(frozen=True)
class Gap:
    """A stretch of the stream without something; its numbers are seconds."""

    what: str
    start: float
    length: float
    note: str = ""


@dataclass(frozen=True)
class Gaps:
    """All of a session.

    Attributes:
        totals: by what is missing: how often, and for how many seconds altogether.
        listed: the longest ones, in order of time.
        left_out: how many are not listed.
    """

    totals: dict[str, tuple[int, float]]
    listed: list[Gap]
    left_out: int


def find_gaps(session: SessionColumns) -> Gaps:
    """The gaps of a session."""
    found: list[Gap] = []
    starts = session.ends + display_interval(0.0)[0]
    for what, codes in (("face", session.face_reasons), ("voice", session.voice_reasons)):
        source = "camera" if what == "face" else "microphone"
        for code, name in (
            (REASONS.index(f"no_{what}"), f"no {what}"),
            (REASONS.index("source_lost"), f"{source} lost"),
        ):
            found += [Gap(name, start, length) for start, length in _runs(starts, codes == code)]
    found += [Gap("events missing", max(0.0, t), 0.0, f"{count} numbers") for t, count in session.missing]
    totals: dict[str, tuple[int, float]] = {}
    for gap in found:
        times, seconds = totals.get(gap.what, (0, 0.0))
        totals[gap.what] = times + 1, seconds + gap.length
    long = [gap for gap in found if gap.length >= _SHORTEST_GAP_S or gap.note]
    longest = sorted(long, key=lambda gap: (not gap.note, -gap.length))[:_LISTED_GAPS]
    return Gaps(totals, sorted(longest, key=lambda gap: gap.start), len(found) - len(longest))


def _runs(starts: npt.NDArray[np.float64], there: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Start and length of each stretch of neighbouring segments, in seconds."""
    if not there.any():
        return []
    apart = np.diff(starts) > 1.5 * SHIFT_SECONDS
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]])))
    runs = []
    for first, stop in edges.reshape(-1, 2):
        inner = [first, *(first + 1 + np.flatnonzero(apart[first : stop - 1])), stop]
        for begin, end in pairwise(inner):
            start = float(starts[begin])
            runs.append((max(0.0, start), float(starts[end - 1]) + SHIFT_SECONDS - max(0.0, start)))
    return runs
