"""The events of one session as columns of numbers, which fit into memory for a whole day, and thinned for charts."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.grid import SHIFT_SECONDS
from emostream.streamer.eventlog.timeline import display_interval
from emostream.streamer.protocol.events import Dropped, ResultEvent, UtteranceEvent

__all__ = ["REASONS", "Band", "Bins", "SessionColumns", "Turn"]

REASONS = ("no_face", "no_voice", "source_lost", "off")
"""A modality that is there has the code -1, others their place in here."""

_NONE = float("nan")
_MOST_LATENCY_MS = 1e6  # what says more is damaged
_MOST_LABELS = 100  # as many as a bundle may have

_MOST_COLUMNS = 900

Floats = npt.NDArray[np.float64]


class Turn:
    """An utterance: number, seconds of the stream, label and its score, head."""

    __slots__ = ("end", "head", "label", "number", "score", "start")

    def __init__(self, event: UtteranceEvent) -> None:
        """Keep what is shown of it."""
        self.number, self.end = event.id, event.media_time
        self.start = min(max(0.0, event.media_time - (event.t_end - event.t_start)), event.media_time)
        self.label, self.head = event.label, event.head
        self.score = event.scores.get(event.label) if event.scores and event.label else None


class SessionColumns:
    """Takes the events of one session, in order.

    Attributes:
        stream: its name.
        session: its UUID.
        labels: those that appeared, in the order in which they did.
        turns: the utterances.
        missing: how many numbers are missing, and where: seconds of the stream, and how many.
        dropped: as the last event counts it.
        first_unix: Unix time of the stream's beginning, by the first event; None without one.
        passed_over: segments whose time is not later than the one before.
    """

    def __init__(self, stream: str, session: str, labels: Sequence[str] = ()) -> None:
        """Begin with the labels that are known."""
        self.stream, self.session = stream, session
        self.labels: list[str] = list(labels)
        self.turns: list[Turn] = []
        self.missing: list[tuple[float, int]] = []
        self.dropped = Dropped()
        self.first_unix: float | None = None
        self.passed_over = 0
        self._seq: int | None = None
        self._ends, self._latencies = array("d"), array("f")
        self._label, self._own_label = array("b"), array("b")
        self._face, self._voice, self._speaking = array("b"), array("b"), array("b")
        self._scores: list[array[float]] = [array("f") for _ in labels]
        self._heads: dict[str, list[array[float]]] = {"audio": [], "video": []}

    def add(self, event: ResultEvent) -> None:
        """Take the next event."""
        if self._seq is not None and event.seq > self._seq + 1:
            self.missing.append((event.media_time, event.seq - self._seq - 1))
        self._seq = event.seq
        if isinstance(event, UtteranceEvent):
            self.turns.append(Turn(event))
            return
        if self._ends and event.media_time <= self._ends[-1]:
            self.passed_over += 1
            return
        if self.first_unix is None:
            self.first_unix = event.t_end - event.media_time
        self._ends.append(event.media_time)
        latency = event.latency_ms
        self._latencies.append(latency if latency is not None and abs(latency) < _MOST_LATENCY_MS else _NONE)
        self._label.append(self._code(event.label))
        self._own_label.append(self._code(event.segment.label if event.segment else None))
        self._face.append(_reason(event.reason.video))
        self._voice.append(_reason(event.reason.audio))
        self._speaking.append(event.utterance is not None)
        self._fill(self._scores, event.scores or {})
        self.dropped = event.dropped

    def add_heads(self, voice: Mapping[str, float] | None, face: Mapping[str, float] | None) -> None:
        """What either head alone says of the segment that was added last; None where it can't tell."""
        for name, scores in (("audio", voice), ("video", face)):
            self._fill(self._heads[name], scores or {})

    def set_heads(self, found: Sequence[tuple[Mapping[str, float] | None, Mapping[str, float] | None]]) -> None:
        """As `add_heads`, for all segments at once, once all were added."""
        for place, name in enumerate(self._heads):
            self._heads[name] = [
                array("f", [(heads[place] or {}).get(label, _NONE) for heads in found]) for label in self.labels
            ]

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def ends(self) -> npt.NDArray[np.float64]:
        """Seconds of the stream at which the segments end, [n]."""
        return np.frombuffer(self._ends, np.float64) if self._ends else np.zeros(0)

    @property
    def middles(self) -> npt.NDArray[np.float64]:
        """Seconds of the stream of the middles of their display intervals, [n]."""
        start, end = display_interval(0.0)
        return self.ends + (start + end) / 2

    @property
    def latencies(self) -> npt.NDArray[np.float32]:
        """Milliseconds, [n]; NaN without one."""
        return _floats(self._latencies)

    @property
    def label_codes(self) -> npt.NDArray[np.int8]:
        """Places in `labels`, [n]; -1 without one."""
        return _codes(self._label)

    @property
    def own_label_codes(self) -> npt.NDArray[np.int8]:
        """As `label_codes`, of the segments alone."""
        return _codes(self._own_label)

    @property
    def face_reasons(self) -> npt.NDArray[np.int8]:
        """Places in `REASONS`, [n]; -1 where the face is there."""
        return _codes(self._face)

    @property
    def voice_reasons(self) -> npt.NDArray[np.int8]:
        """As `face_reasons`, of the voice."""
        return _codes(self._voice)

    @property
    def speaking(self) -> npt.NDArray[np.bool_]:
        """Whether they belong to an utterance, [n]."""
        return _codes(self._speaking).astype(np.bool_)

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """[labels, n]; NaN without any."""
        return self._matrix(self._scores)

    def heads(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
        """What the voice's head and the face's say, each [labels, n]; None where nobody asked them."""
        if not self._heads["audio"] and not self._heads["video"]:
            return None
        return self._matrix(self._heads["audio"]), self._matrix(self._heads["video"])

    def _code(self, label: str | None) -> int:
        if label is None:
            return -1
        if label not in self.labels:
            if len(self.labels) >= _MOST_LABELS:
                return -1
            self.labels.append(label)
        return self.labels.index(label)

    def _fill(self, columns: list[array[float]], scores: Mapping[str, float]) -> None:
        """Append to every label's column, one that is new among them."""
        for label in scores:
            self._code(label)
        count = len(self._ends)
        while len(columns) < len(self.labels):
            columns.append(array("f", [_NONE]) * (count - 1))
        for label, column in zip(self.labels, columns, strict=True):
            column.append(scores.get(label, _NONE))

    def _matrix(self, columns: list[array[float]]) -> npt.NDArray[np.float32]:
        whole = np.full((len(self.labels), len(self)), np.nan, np.float32)
        for row, column in zip(whole, columns, strict=False):
            row[: len(column)] = _floats(column)
        return whole


def _reason(reason: str | None) -> int:
    return -1 if reason is None else REASONS.index(reason)


def _floats(values: array[float]) -> npt.NDArray[np.float32]:
    return np.frombuffer(values, np.float32) if values else np.zeros(0, np.float32)


def _codes(values: array[int]) -> npt.NDArray[np.int8]:
    return np.frombuffer(values, np.int8) if values else np.zeros(0, np.int8)


@dataclass(frozen=True, eq=False)
class Band:
    """Values by column, [columns] each; NaN where a column has none."""

    low: Floats
    high: Floats
    mean: Floats


class Bins:
    """Columns of equal length over a session. One column a segment where there is room for it.

    Attributes:
        count: how many there are.
        width_s: seconds that one stands for.
        places: the column of each segment, [n].
        filled: how many segments each holds, [columns].
    """

    def __init__(self, middles: npt.NDArray[np.float64], length_s: float) -> None:
        """Share `length_s` seconds out; `middles` are the segments', in seconds."""
        self.count = max(1, min(_MOST_COLUMNS, math.ceil(length_s / SHIFT_SECONDS - 1e-6)))
        self.width_s = max(length_s, SHIFT_SECONDS) / self.count
        if self.count < _MOST_COLUMNS:
            self.width_s = SHIFT_SECONDS
        self.places = np.clip((middles / self.width_s).astype(np.int64), 0, self.count - 1)
        self.filled = np.bincount(self.places, minlength=self.count)

    @property
    def thinned(self) -> bool:
        """Whether a column stands for more than one segment."""
        return bool(self.filled.max(initial=0) > 1)

    def band(self, values: npt.NDArray[np.float32]) -> Band:
        """Thin values [n], of which some may be NaN."""
        there = ~np.isnan(values)
        places, kept = self.places[there], values[there].astype(np.float64)
        low, high = np.full(self.count, np.inf), np.full(self.count, -np.inf)
        np.minimum.at(low, places, kept)
        np.maximum.at(high, places, kept)
        counts = np.bincount(places, minlength=self.count)
        sums = np.bincount(places, weights=kept, minlength=self.count)
        empty = counts == 0
        low[empty] = high[empty] = np.nan
        mean = np.divide(sums, counts, out=np.full(self.count, np.nan), where=~empty)
        return Band(low, high, mean)

    def most_frequent(self, codes: npt.NDArray[np.int8], kinds: int) -> npt.NDArray[np.int64]:
        """The code that each column has most of, the lower one where two tie; -1 where it has none above -1."""
        counts = np.zeros((kinds, self.count), np.int64)
        there = codes >= 0
        np.add.at(counts, (codes[there], self.places[there]), 1)
        best = counts.argmax(axis=0) if kinds else np.zeros(self.count, np.int64)
        return np.where(counts.sum(axis=0) > 0, best, -1)

    def share(self, flags: npt.NDArray[np.bool_]) -> Floats:
        """Share of each column's segments that have a flag, [columns]; NaN where it has no segment."""
        counts = np.bincount(self.places[flags], minlength=self.count)
        share: Floats = np.divide(counts, self.filled, out=np.full(self.count, np.nan), where=self.filled > 0)
        return share
