"""The events of one session as stretches of time on the axis of its stream.

Segments of 655 ms overlap, one every 300 ms. Whoever shows one result at a time gives each of them the 300 ms in the
middle of its segment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from emostream.engines.frontend.grid import SEGMENT_SECONDS, SHIFT_SECONDS
from emostream.streamer.protocol.events import EmotionEvent, ResultEvent

__all__ = [
    "MARGIN_SECONDS",
    "LabelInterval",
    "Span",
    "Timeline",
    "TimelineBuilder",
    "caption",
    "display_interval",
]

_ADJACENT_S = 0.05  # intervals of neighbouring segments meet within rounding
_SHORTEST_S = 0.001

MARGIN_SECONDS = (SEGMENT_SECONDS - SHIFT_SECONDS) / 2
"""From the start of a segment to that of its display interval, and between their ends."""

_ABSENT = {"no_face": "no face", "no_voice": "no voice", "source_lost": "lost", "off": "off"}


class Span(NamedTuple):
    """A stretch of time in seconds of the stream, and what is said of it."""

    start: float
    end: float
    text: str


class LabelInterval(NamedTuple):
    """The display interval of a segment, and its result: label, score and head are None without face and voice."""

    start: float
    end: float
    label: str | None
    score: float | None
    head: str | None
    text: str


@dataclass
class Timeline:
    """What a session holds, each list in order of time and without overlap.

    Attributes:
        intervals: the segments.
        utterances: spoken turns, with their final label.
        no_face: where the face is missing, by reason.
        no_voice: where the voice is missing, by reason.
        missing: where numbers are missing, that is events that were never written.
    """

    intervals: list[LabelInterval] = field(default_factory=list)
    utterances: list[Span] = field(default_factory=list)
    no_face: list[Span] = field(default_factory=list)
    no_voice: list[Span] = field(default_factory=list)
    missing: list[Span] = field(default_factory=list)

    @property
    def end(self) -> float:
        """Seconds of the stream at which it ends."""
        return max((spans[-1].end for spans in (self.intervals, self.utterances) if spans), default=0.0)


class TimelineBuilder:
    """Takes events in order."""

    def __init__(self) -> None:
        """Start with none."""
        self._line = Timeline()
        self._seq: int | None = None
        self._last_end = 0.0

    def add(self, event: ResultEvent) -> None:
        """Take the next event of the session."""
        self._note_missing(event)
        if isinstance(event, EmotionEvent):
            self._add_segment(event)
            return
        start = max(0.0, event.media_time - (event.t_end - event.t_start))
        if self._line.utterances:
            start = max(start, self._line.utterances[-1].end)
        said = f"{event.id}"
        if event.label is not None and event.scores is not None:
            said = f"{event.id}: {event.label} {100 * event.scores.get(event.label, 0.0):.0f} %, {event.head}"
        if event.media_time > start:
            self._line.utterances.append(Span(start, event.media_time, said))

    def finish(self) -> Timeline:
        """What they come to. The first interval begins with its segment, and the last one ends with it."""
        intervals = self._line.intervals
        if intervals:
            first, last = intervals[0].start, intervals[-1].end
            start = max(0.0, first - MARGIN_SECONDS)
            intervals[0] = intervals[0]._replace(start=start)
            intervals[-1] = intervals[-1]._replace(end=self._last_end)
            for spans in (self._line.no_face, self._line.no_voice):
                if spans and spans[0].start == first:
                    spans[0] = spans[0]._replace(start=start)
                if spans and spans[-1].end == last:
                    spans[-1] = spans[-1]._replace(end=self._last_end)
        return self._line

    def _add_segment(self, event: EmotionEvent) -> None:
        start, end = display_interval(event.media_time)
        intervals = self._line.intervals
        if intervals:
            start = max(start, intervals[-1].end)
            if start - intervals[-1].end < _ADJACENT_S:
                start = intervals[-1].end
        if end - start < _SHORTEST_S:  # a time that turns back is damage
            return
        score = None if event.label is None or event.scores is None else event.scores.get(event.label)
        intervals.append(LabelInterval(start, end, event.label, score, event.head, caption(event)))
        self._last_end = event.media_time
        for spans, reason in ((self._line.no_face, event.reason.video), (self._line.no_voice, event.reason.audio)):
            if reason is not None:
                _extend(spans, Span(start, end, reason))

    def _note_missing(self, event: ResultEvent) -> None:
        if self._seq is not None and event.seq > self._seq + 1 and self._line.intervals:
            count = event.seq - self._seq - 1
            start = self._line.intervals[-1].end
            end = display_interval(event.media_time)[0] if isinstance(event, EmotionEvent) else event.media_time
            if self._line.missing:
                start = max(start, self._line.missing[-1].end)
            self._line.missing.append(Span(start, max(end, start + SHIFT_SECONDS), f"{count} missing"))
        self._seq = event.seq


def _extend(spans: list[Span], new: Span) -> None:
    if spans and spans[-1].text == new.text and new.start - spans[-1].end < _ADJACENT_S:
        spans[-1] = spans[-1]._replace(end=new.end)
    else:
        spans.append(new)


def display_interval(media_time: float) -> tuple[float, float]:
    """Start and end, in seconds of the stream, of what is shown of the segment that ends at `media_time`."""
    end = media_time - MARGIN_SECONDS
    return end - SHIFT_SECONDS, end


def caption(event: EmotionEvent) -> str:
    """A segment's result in a few words, as in `joy 81 %, fused`."""
    if event.label is not None and event.scores is not None:
        score = event.scores.get(event.label, 0.0)
        return f"{event.label} {100 * score:.0f} %, {event.head}"
    reasons = {"face": event.reason.video, "voice": event.reason.audio}
    return ", ".join(_absence(what, reason) for what, reason in reasons.items() if reason is not None)


def _absence(what: str, reason: str) -> str:
    words = _ABSENT[reason]
    return words if words.startswith("no ") else f"{'camera' if what == 'face' else 'microphone'} {words}"
