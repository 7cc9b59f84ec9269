"""Damaged events and configuration files."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.mutations import edited_json, mutated
from benchmarks.fuzz.target import Case, Target, scratch, taken
from engines.errors import ConfigError, EventError
from streamer import events
from streamer.config_file import read_config_file

__all__ = ["CONFIG", "EVENT"]

_CONFIG = b"""publish = "tcp://127.0.0.1:5557"
view = true
duration = 2.5

[streams.desk]
camera = 0
mic = "default"
av-offset-ms = -40.5

[streams.door]
input = "rtsp://user:secret@door.local/stream?token=secret"
"""
_DEEP = b"publish = " + b"[" * 2000 + b"]" * 2000


def _config_cases() -> st.SearchStrategy[Case]:
    words = [b"[streams.x]\n", b"stream = ", b"[[a]]\n", b"{a = 1}", b"1979-05-27T07:32:00Z", b"0x10", b"nan", b"inf"]
    pieces = st.lists(st.sampled_from([*words, *_CONFIG.splitlines(keepends=True)]), max_size=12).map(b"".join)
    return st.tuples(st.one_of(mutated([_CONFIG]), pieces, mutated([*words, _DEEP]), st.binary(max_size=100)))


def _check_config(text: bytes) -> bool:
    file = scratch() / "emostream.toml"
    file.write_bytes(text)
    return taken(lambda: read_config_file(file), ConfigError)


def _seed_events() -> list[bytes]:
    pools, lost = events.Pools(5, 6, 5), events.Dropped(1, 2, 3.5)
    scores = {"anger": 0.19, "joy": 0.81}
    common: dict[str, Any] = {"stream": "desk", "session": "7b1c", "seq": 4}
    emotion = events.EmotionEvent(
        **common,
        t_start=1795269600.0,
        t_end=1795269600.655,
        media_time=0.655,
        label="joy",
        scores=scores,
        head="fused",
        segment=events.SegmentScores("joy", scores, "fused"),
        utterance=events.UtteranceRef(3, 1795269598.8, pools),
        modalities=events.Modalities(audio=True, video=True),
        reason=events.Reasons(),
        face=(212, 90, 180, 180),
        frame_size=(640, 480),
        dropped=lost,
    )
    utterance = events.UtteranceEvent(
        **common, id=3, t_start=1.0, t_end=2.0, media_time=2.0, label="joy", scores=scores, head="audio", pools=pools,
        segments=7,
    )  # fmt: skip
    return [events.encode(emotion), events.encode(utterance)]


def _event_cases() -> st.SearchStrategy[Case]:
    seeds = _seed_events()
    return st.tuples(st.one_of(st.binary(max_size=200), mutated(seeds), edited_json(seeds)))


def _check_event(message: bytes) -> bool:
    """What is read is written as it was read."""
    found: list[events.Event] = []
    if not taken(lambda: found.append(events.decode(message)), EventError):
        return False
    (event,) = found
    assert events.decode(events.encode(event)) == event, f"{event} does not survive a round trip"
    events.topic(event)
    return True


EVENT = Target(
    "random, damaged and edited messages to a subscriber",
    _event_cases,
    _check_event,
    lambda: [(message,) for message in _seed_events()],
)
CONFIG = Target("damaged configuration files", _config_cases, _check_config, lambda: [(_CONFIG,)])
