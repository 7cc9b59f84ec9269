"""From embeddings to events: utterances, their pools, and which head speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from emostream.engines.frontend.grid import seconds
from emostream.engines.frontend.voice import CHUNK_SAMPLES
from emostream.engines.heads import HeadName
from emostream.engines.pooling import Features, Pools, VideoWindow
from emostream.engines.recognizer import Scores
from emostream.streamer.pipeline.segment_queue import TimedSegment
from emostream.streamer.protocol import events

__all__ = ["EventBuilder", "Utterance", "UtteranceTracker"]

_SILENT_CHUNKS = 25  # exactly 0.8 s without speech, after which an utterance has ended
_DECIMALS = 6  # of published scores and times


@dataclass
class Utterance:
    """A spoken turn: number, grid times in seconds of its start and of its last speech, and pools."""

    number: int
    t_start: float
    t_end: float
    pools: Pools = field(default_factory=Pools)


class UtteranceTracker:
    """Begins an utterance with speech, and ends it after 0.8 s without."""

    def __init__(self) -> None:
        """Start in silence."""
        self.current: Utterance | None = None
        self._count = 0
        self._last_spoken = 0

    def advance(self, first_chunk: int, speech: tuple[bool, ...]) -> list[Utterance]:
        """Take the decisions on the next chunks of 32 ms; the utterances that ended in them, if any."""
        ended = []
        for chunk, spoken in enumerate(speech, first_chunk):
            if spoken:
                start, end = seconds(chunk * CHUNK_SAMPLES), seconds((chunk + 1) * CHUNK_SAMPLES)
                if self.current is None:
                    self._count += 1
                    self.current = Utterance(self._count, start, end)
                self.current.t_end = end
                self._last_spoken = chunk
            elif self.current is not None and chunk - self._last_spoken >= _SILENT_CHUNKS:
                ended.append(self.current)
                self.current = None
        return ended

    def finish(self) -> list[Utterance]:
        """End the current utterance, because the stream ends."""
        ended = [self.current] if self.current else []
        self.current = None
        return ended


class EventBuilder:
    """Turns segments and their embeddings, in order, into events."""

    def __init__(self, score: Callable[[HeadName, npt.NDArray[np.float32]], Scores]) -> None:
        """Score features with `score`."""
        self._score = score
        self._stale = 0
        self._utterances = UtteranceTracker()
        self._window = VideoWindow()
        self._last: TimedSegment | None = None

    def interpret(self, timed: TimedSegment, features: Features) -> Iterator[events.ResultEvent]:
        """The events of one segment: those of utterances that ended in it, then its own.

        A stale segment gives no event of its own.
        """
        segment = timed.segment
        for ended in self._utterances.advance(segment.speech_first, segment.speech):
            yield self._utterance_event(timed, ended)
        self._last = timed
        if timed.stale:
            self._stale += 1
            return
        utterance = self._utterances.current
        self._window.add(segment.t_end, features.video)
        if utterance is not None:
            utterance.pools.add(features)
        own = self._own_scores(features)
        pooled = self._pooled_scores(utterance, features) if own else None
        yield events.EmotionEvent(
            t_start=_rounded(timed.unix(segment.t_start)),
            t_end=_rounded(timed.unix_end),
            media_time=_rounded(segment.t_end),
            label=pooled.label if pooled else None,
            scores=_published(pooled),
            head=pooled.head if pooled else None,
            segment=events.SegmentScores(label=own.label, scores=_published(own) or {}, head=own.head) if own else None,
            utterance=self._reference(timed, utterance),
            modalities=events.Modalities(audio=segment.mel is not None, video=segment.clip is not None),
            reason=events.Reasons(audio=segment.audio_reason, video=segment.video_reason),
            face=segment.box,
            frame_size=segment.frame_size,
            dropped=replace(timed.lost, segments=self._stale),
        )

    def finish(self) -> Iterator[events.UtteranceEvent]:
        """The event of the utterance that the end of the stream cuts off, if there is one."""
        for ended in self._utterances.finish():
            assert self._last is not None
            yield self._utterance_event(self._last, ended)

    def _own_scores(self, features: Features) -> Scores | None:
        head = features.head
        feature = features.get(head) if head else None
        return self._score(head, feature) if head and feature is not None else None

    def _pooled_scores(self, utterance: Utterance | None, features: Features) -> Scores | None:
        if utterance is not None:
            return self._score_pools(utterance.pools)
        return self._score("video", self._window.mean()) if features.video is not None else None

    def _score_pools(self, pools: Pools) -> Scores | None:
        head = pools.head
        return self._score(head, pools.mean(head)) if head else None

    def _reference(self, timed: TimedSegment, utterance: Utterance | None) -> events.UtteranceRef | None:
        if utterance is None:
            return None
        return events.UtteranceRef(
            id=utterance.number, t_start=_rounded(timed.unix(utterance.t_start)), pools=_counts(utterance.pools)
        )

    def _utterance_event(self, timed: TimedSegment, utterance: Utterance) -> events.UtteranceEvent:
        scores = self._score_pools(utterance.pools)
        return events.UtteranceEvent(
            id=utterance.number,
            t_start=_rounded(timed.unix(utterance.t_start)),
            t_end=_rounded(timed.unix(utterance.t_end)),
            media_time=_rounded(utterance.t_end),
            label=scores.label if scores else None,
            scores=_published(scores),
            head=scores.head if scores else None,
            pools=_counts(utterance.pools),
            segments=utterance.pools.segments,
        )


def _counts(pools: Pools) -> events.Pools:
    return events.Pools(audio=pools.count("audio"), video=pools.count("video"), fused=pools.count("fused"))


def _published(scores: Scores | None) -> dict[str, float] | None:
    return {label: round(p, _DECIMALS) for label, p in scores.by_label.items()} if scores else None


def _rounded(t: float) -> float:
    return round(t, _DECIMALS)
