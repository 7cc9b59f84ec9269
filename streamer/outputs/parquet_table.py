"""Events as a flat table, one row an event, for Parquet files.

The columns, null where an event has no such thing:

    type, stream, session, seq        `emotion` or `utterance`, and where it comes from
    t_start, t_end, published_at      UTC, in microseconds
    media_time, latency_ms            seconds and milliseconds
    label, head, score_LABEL...       pooled over the utterance; one column for each label
    segment_label, segment_head, segment_score_LABEL...      of the segment alone
    utterance_id, utterance_t_start, utterance_segments      the utterance; how many segments it had, at its end
    pool_audio, pool_video, pool_fused                       how many segments are in the pools
    audio, video, audio_reason, video_reason                 which modalities were there, and why not
    face_x, face_y, face_width, face_height, frame_width, frame_height      pixels
    dropped_segments, dropped_frames, dropped_audio_ms       since the start of the session
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from emostream.streamer.protocol.events import EmotionEvent, Event, ResultEvent, SegmentScores, UtteranceEvent

__all__ = ["table_of"]

_TIME = pa.timestamp("us", tz="UTC")
_FIRST = {
    "type": pa.string(), "stream": pa.string(), "session": pa.string(), "seq": pa.int64(),
    "t_start": _TIME, "t_end": _TIME, "published_at": _TIME, "media_time": pa.float64(), "latency_ms": pa.float64(),
    "label": pa.string(), "head": pa.string(),
}  # fmt: skip
_SEGMENT = {"segment_label": pa.string(), "segment_head": pa.string()}
_LAST = {
    "utterance_id": pa.int64(), "utterance_t_start": _TIME, "utterance_segments": pa.int32(),
    "pool_audio": pa.int32(), "pool_video": pa.int32(), "pool_fused": pa.int32(),
    "audio": pa.bool_(), "video": pa.bool_(), "audio_reason": pa.string(), "video_reason": pa.string(),
    "face_x": pa.int32(), "face_y": pa.int32(), "face_width": pa.int32(), "face_height": pa.int32(),
    "frame_width": pa.int32(), "frame_height": pa.int32(),
    "dropped_segments": pa.int64(), "dropped_frames": pa.int64(), "dropped_audio_ms": pa.float64(),
}  # fmt: skip


def table_of(events: Iterable[Event], labels: Sequence[str]) -> pa.Table:
    """Make the table of some events.

    Args:
        events: emotions and utterances.
        labels: of the columns of scores, where no event has any.
    """
    rows = [_row(event) for event in events if isinstance(event, (EmotionEvent, UtteranceEvent))]
    found = [name.removeprefix("score_") for row in rows for name in row if name.startswith("score_")]
    names = dict.fromkeys(found) or labels
    schema = pa.schema(
        _FIRST
        | {f"score_{name}": pa.float64() for name in names}
        | _SEGMENT
        | {f"segment_score_{name}": pa.float64() for name in names}
        | _LAST
    )
    return pa.Table.from_pylist(rows, schema)


def _row(event: ResultEvent) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": event.type,
        "stream": event.stream,
        "session": event.session,
        "seq": event.seq,
        "t_start": _microseconds(event.t_start),
        "t_end": _microseconds(event.t_end),
        "published_at": _microseconds(event.published_at),
        "media_time": event.media_time,
        "label": event.label,
        "head": event.head,
    } | {f"score_{label}": score for label, score in (event.scores or {}).items()}
    return row | (_of_utterance(event) if isinstance(event, UtteranceEvent) else _of_segment(event))


def _of_utterance(event: UtteranceEvent) -> dict[str, Any]:
    return {
        "utterance_id": event.id,
        "utterance_t_start": _microseconds(event.t_start),
        "utterance_segments": event.segments,
        "pool_audio": event.pools.audio,
        "pool_video": event.pools.video,
        "pool_fused": event.pools.fused,
    }


def _of_segment(event: EmotionEvent) -> dict[str, Any]:
    row: dict[str, Any] = {
        "latency_ms": event.latency_ms,
        "audio": event.modalities.audio,
        "video": event.modalities.video,
        "audio_reason": event.reason.audio,
        "video_reason": event.reason.video,
        "dropped_segments": event.dropped.segments,
        "dropped_frames": event.dropped.frames,
        "dropped_audio_ms": event.dropped.audio_ms,
    }
    if isinstance(event.segment, SegmentScores):
        row |= {"segment_label": event.segment.label, "segment_head": event.segment.head}
        row |= {f"segment_score_{label}": score for label, score in event.segment.scores.items()}
    if event.face is not None:
        row |= dict(zip(("face_x", "face_y", "face_width", "face_height"), event.face, strict=True))
    if event.frame_size is not None:
        row |= dict(zip(("frame_width", "frame_height"), event.frame_size, strict=True))
    if event.utterance is not None:
        pools = event.utterance.pools
        row |= {
            "utterance_id": event.utterance.id,
            "utterance_t_start": _microseconds(event.utterance.t_start),
            "pool_audio": pools.audio,
            "pool_video": pools.video,
            "pool_fused": pools.fused,
        }
    return row


def _microseconds(t: float) -> int:
    return round(t * 1e6)
