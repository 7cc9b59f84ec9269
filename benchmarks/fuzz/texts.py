"""Damaged events, requests for them, and configuration files."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.mutations import edited_json, mutated
from benchmarks.fuzz.target import Case, Target, scratch, taken
from emostream.engines.errors import ConfigError, EventError
from emostream.streamer.config_file import read_config_file
from emostream.streamer.protocol import events
from emostream.streamer.protocol.replay import (
    ReplayRequest,
    decode_header,
    decode_request,
    encode_header,
    encode_request,
)
from emostream.streamer.publishing.replay import EventStore

__all__ = ["CONFIG", "EVENT", "REPLAY", "seed_events"]

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


def seed_events() -> list[bytes]:
    """One of each kind."""
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
    status = events.StatusEvent(
        stream="desk",
        session="7b1c",
        time=1.0,
        clock_jump_s=0.0,
        uptime_s=2.0,
        state="running",
        rates=events.Rates(30.0, 29.0, 1.0, 3.3),
        levels=events.Levels(-20.0, 100.0, speech=True, face=True),
        queues={"frames": 0},
        latency_ms=events.LatencyQuantiles(30.0, 40.0, 50.0, 60.0),
        stages_ms={"inference": 10.0},
        dropped=lost,
        engine=events.EngineInfo("openvino", "CPU", "bf16"),
        bundle=events.BundleInfo("starter", "compact", trained=True, sha256="00"),
        sources=events.SourceStates("running", "lost"),
    )
    return [events.encode(event) for event in (emotion, utterance, status)]


def _event_cases() -> st.SearchStrategy[Case]:
    seeds = seed_events()
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


def _seed_requests() -> list[bytes]:
    sessions = ("7b1c", None)
    return [
        encode_request(ReplayRequest(version=1, stream="desk", session=session, first=first, count=count))
        for session, first, count in zip(sessions, (3, 0), (2, 500), strict=True)
    ]


def _request_cases() -> st.SearchStrategy[Case]:
    seeds = _seed_requests()
    return st.tuples(st.one_of(st.binary(max_size=200), mutated(seeds), edited_json(seeds)))


def _check_request(frame: bytes) -> bool:
    """Whatever a request asks for, it gets events that there are, in order."""
    store = EventStore(capacity=8)
    for seq in range(12):
        store.append("desk", "7b1c", seq, b"%d" % seq)

    def answer() -> None:
        header, given = store.read(decode_request(frame))
        assert decode_header(encode_header(header)) == header
        assert given == [b"%d" % seq for seq in range(header.first, header.first + header.count)]

    return taken(answer, EventError)


EVENT = Target(
    "random, damaged and edited messages to a subscriber",
    _event_cases,
    _check_event,
    lambda: [(message,) for message in seed_events()],
)
REPLAY = Target(
    "random, damaged and edited requests to a replay server",
    _request_cases,
    _check_request,
    lambda: [(request,) for request in _seed_requests()],
)
CONFIG = Target("damaged configuration files", _config_cases, _check_config, lambda: [(_CONFIG,)])
