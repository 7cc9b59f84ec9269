"""The charts of a session, each with its figures as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.grid import SHIFT_SECONDS
from emostream.streamer.eventlog.timeline import Span
from emostream.streamer.review.chart_rows import ChartRow, band_row, colour_class, flag_row, label_row, span_row, ticks
from emostream.streamer.review.columns import Bins, SessionColumns
from emostream.streamer.review.figures import clock, latency_quantiles

__all__ = ["Chart", "Table", "apart_chart", "latency_chart", "recognised_chart"]

_MOST_ROWS = 40
_MOST_LANES = 12
_APART = 0.5  # of two heads' probabilities, from which on they contradict each other


@dataclass(frozen=True)
class Table:
    """Rows of figures under a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """Rows over one axis of time.

    Attributes:
        title: above it.
        alt: what it shows, in words.
        rows: from above.
        ticks: per cent of the width, and the time there.
        width_s: seconds that a column stands for.
        note: below the title.
        table: its figures.
    """

    title: str
    alt: str
    rows: list[ChartRow]
    ticks: list[tuple[float, str]]
    width_s: float
    note: str
    table: Table


def recognised_chart(session: SessionColumns, bins: Bins) -> Chart:
    """Labels, utterances, presence and scores over time."""
    counts = np.bincount(session.label_codes[session.label_codes >= 0], minlength=len(session.labels))
    shown = sorted(np.argsort(-counts, kind="stable")[:_MOST_LANES].tolist())
    utterances = [Span(turn.start, turn.end, f"{turn.number}: {turn.label or 'no result'}") for turn in session.turns]
    turns = (
        flag_row("utterances", bins.share(session.speaking), "speaking", "nobody speaks")
        if bins.thinned
        else span_row("utterances", utterances, bins, "turn")
    )
    labels = bins.most_frequent(session.label_codes, len(session.labels))
    rows = [
        label_row("label", labels.tolist(), session.labels, "none"),
        turns,
        flag_row("face", bins.share(session.face_reasons == -1), "there", "not there"),
        flag_row("voice", bins.share(session.voice_reasons == -1), "there", "not there"),
    ]
    if session.missing:
        missing = [Span(max(0.0, t - SHIFT_SECONDS), t, f"{count} missing") for t, count in session.missing]
        rows.append(span_row("events missing", missing, bins, "missing"))
    scores = session.scores
    rows += [
        band_row(
            session.labels[place], bins.band(scores[place]), 1.0,
            colour=colour_class(place), scale=("1", "0"), form="{:.2f}",
        )
        for place in shown
    ]  # fmt: skip
    left_out = len(session.labels) - len(shown)
    note = f" The {left_out} rarest labels have no lane of their own." if left_out else ""
    return Chart(
        "What was recognised",
        f"Over {clock(bins.count * bins.width_s)}: the label of each moment, the utterances, whether face and voice "
        f"were there, and the score of each of {len(shown)} labels from 0 to 1. The table below has the same figures.",
        rows, ticks(bins), bins.width_s, _thinned(bins) + note,
        _score_table(session, shown),
    )  # fmt: skip


def apart_chart(session: SessionColumns, bins: Bins) -> Chart | None:
    """Where the head of the voice and the head of the face contradict each other; None where nobody asked them."""
    heads = session.heads()
    if heads is None:
        return None
    voice, face = heads
    both: npt.NDArray[np.bool_] = ~np.isnan(voice + face).any(axis=0)
    distance = np.full(len(session), np.nan, np.float32)
    distance[both] = np.abs(voice[:, both] - face[:, both]).sum(axis=0) / 2
    by_voice, by_face = _winners(voice, both), _winners(face, both)
    differing = both & (by_voice != by_face)
    kinds = len(session.labels)
    rows = [
        label_row("by the voice", bins.most_frequent(by_voice, kinds).tolist(), session.labels, "not both"),
        label_row("by the face", bins.most_frequent(by_face, kinds).tolist(), session.labels, "not both"),
        band_row("apart", bins.band(distance), 1.0, colour="plain", scale=("1", "0"), form="{:.2f}"),
    ]
    of = int(both.sum())
    note = (
        f"In {int(differing.sum()):,} of {of:,} segments with both, voice and face say different labels; in "
        f"{int((distance[both] > _APART).sum()):,} they are more than {_APART} apart: half the sum of the "
        "differences of all scores, 0 where they say the same and 1 where they exclude each other."
        if of
        else "No segment has both a voice and a face."
    )
    return Chart(
        "Where voice and face disagree",
        "What the voice alone and the face alone say over time, and how far apart they are, from 0 to 1.",
        rows, ticks(bins), bins.width_s, note, _apart_table(session, by_voice, by_face, distance, differing),
    )  # fmt: skip


def latency_chart(session: SessionColumns, bins: Bins) -> Chart | None:
    """From capture to sending, over time; None where nothing was captured in real time."""
    quantiles = latency_quantiles(session)
    if not quantiles:
        return None
    top = _round_above(quantiles["max"])
    band = bins.band(session.latencies)
    words = ", ".join(f"{name} {value:.0f} ms" for name, value in quantiles.items())
    row = band_row("latency", band, top, colour="plain", scale=(f"{top:.0f} ms", "0"), form="{:.0f} ms")
    rows = []
    for first, stop in _parts(session):
        part = session.latencies[first:stop]
        part = part[~np.isnan(part)]
        if part.size:
            rows.append([_from(session, first), *(f"{v:.0f}" for v in (part.min(), np.median(part), part.max()))])
    return Chart(
        "Latency",
        f"Milliseconds from the capture of a segment's end to the sending of its event, over time: {words}.",
        [row], ticks(bins), bins.width_s, f"From capture to sending: {words}.",
        Table(["from", "least, ms", "median, ms", "most, ms"], rows),
    )  # fmt: skip


def _round_above(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... that is no less."""
    power = 10.0 ** math.floor(math.log10(max(value, 1.0)))
    return next(round_ * power for round_ in (1, 2, 5, 10) if round_ * power >= value or round_ == 10)


def _thinned(bins: Bins) -> str:
    if not bins.thinned:
        return f"Each column is one segment, {1000 * SHIFT_SECONDS:.0f} ms."
    return (
        f"Thinned out: each of the {bins.count} columns stands for {bins.width_s:.1f} s, up to {bins.filled.max()} "
        "segments. Bands reach from the lowest to the highest value among them, lines are means, colours are the most "
        "frequent label, and the height of the other bars is the share of the segments."
    )


def _winners(scores: npt.NDArray[np.float32], there: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    codes = np.full(scores.shape[1], -1, np.int8)
    codes[there] = scores[:, there].argmax(axis=0)
    return codes


def _parts(session: SessionColumns) -> list[tuple[int, int]]:
    """First and stop of the segments of each row of a table."""
    edges = np.linspace(0, len(session), min(_MOST_ROWS, len(session)) + 1).astype(int).tolist()
    return list(pairwise(edges))


def _from(session: SessionColumns, first: int) -> str:
    return clock(float(session.middles[first]) - SHIFT_SECONDS / 2, fine=True)


def _score_table(session: SessionColumns, shown: Sequence[int]) -> Table:
    scores, rows = session.scores, []
    for first, stop in _parts(session):
        codes = session.label_codes[first:stop]
        counts = np.bincount(codes[codes >= 0], minlength=len(session.labels))
        label = session.labels[int(counts.argmax())] if counts.sum() else "none"
        means = []
        for place in shown:
            part = scores[place, first:stop]
            part = part[~np.isnan(part)]
            means.append(f"{part.mean():.2f}" if part.size else "-")
        rows.append([_from(session, first), label, *means])
    return Table(["from", "most frequent", *(f"mean {session.labels[place]}" for place in shown)], rows)


def _apart_table(
    session: SessionColumns,
    by_voice: npt.NDArray[np.int8],
    by_face: npt.NDArray[np.int8],
    distance: npt.NDArray[np.float32],
    differing: npt.NDArray[np.bool_],
) -> Table:
    """The segments that are furthest apart, in order of time."""
    places = np.flatnonzero(differing)
    places = np.sort(places[np.argsort(-distance[places], kind="stable")[:_MOST_ROWS]])
    rows = [
        [_from(session, n), session.labels[by_voice[n]], session.labels[by_face[n]], f"{distance[n]:.2f}"]
        for n in places.tolist()
    ]
    return Table(["from", "by the voice", "by the face", "apart"], rows)
