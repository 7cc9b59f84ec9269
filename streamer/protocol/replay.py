"""The replay protocol, version 1: how a subscriber gets events again that it missed.

A publisher keeps the last 10,000 emotion and utterance events of each stream's session, as the bytes that it
published, and gives them from a ROUTER socket. A client connects a DEALER and sends one frame of JSON:

    {"version": 1, "stream": "desk", "session": "7b1c...", "first": 412, "count": 3}

It asks for `count` events (1 to 500) from number `first` on; a `session` of null is the current one. The reply is a
frame of JSON, then one frame an event:

    {"version": 1, "stream": "desk", "session": "7b1c...", "first": 412, "count": 3, "oldest": 0, "next": 418}
    {"version": 1, "type": "emotion", "stream": "desk", "session": "7b1c...", "seq": 412, ...}
    ...

`first` is the number of the first event that follows and `count` how many follow, which may be fewer than were asked
for, and none; `oldest` is the oldest number that is still kept, `next` the one that the next event will have.
What can't be answered gets one frame, `{"error": "..."}`: no such stream, a session that is over, a wrong request.
A request takes one frame of at most 64 KiB. A client asks for one thing at a time: two replies wait until it fetches
them, and more are dropped.

This module is part of the light-weight client: besides the standard library it loads msgspec only.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from emostream.engines.errors import EventError
from emostream.streamer.protocol.events import Count, Session, Stream

__all__ = [
    "MOST_EVENTS",
    "REPLAY_VERSION",
    "ReplayHeader",
    "ReplayRefusal",
    "ReplayRequest",
    "decode_header",
    "decode_request",
    "encode_header",
    "encode_request",
    "replay_endpoint",
]

REPLAY_VERSION: Final = 1
MOST_EVENTS: Final = 500
"""Events in one reply."""

_PORT_OFFSET: Final = 1000
_LAST_PORT: Final = 65535
_MOST_TEXT: Final = 200  # of an error, which may quote what it is about


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for."""

    version: Literal[1]
    stream: Stream
    session: Annotated[str, Meta(max_length=64)] | None
    first: Annotated[int, Meta(ge=0, le=2**53)]
    count: Annotated[int, Meta(ge=1, le=MOST_EVENTS)]


class ReplayHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What comes before the events of a reply."""

    version: Literal[1]
    stream: Stream
    session: Session
    first: Count
    count: Annotated[int, Meta(ge=0, le=MOST_EVENTS)]
    oldest: Count
    next: Count


class ReplayRefusal(msgspec.Struct, frozen=True):
    """The whole of a reply to what can't be answered."""

    error: str


def encode_request(request: ReplayRequest) -> bytes:
    """Give the frame of a request."""
    return msgspec.json.encode(request)


def decode_request(frame: bytes) -> ReplayRequest:
    """Read a request; unknown fields are passed over.

    Raises:
        EventError: it is none.
    """
    try:
        return msgspec.json.decode(frame, type=ReplayRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"no replay request of version {REPLAY_VERSION}: {error}"[:_MOST_TEXT]) from None


def encode_header(header: ReplayHeader | ReplayRefusal) -> bytes:
    """Give the first frame of a reply."""
    return msgspec.json.encode(header)


def decode_header(frame: bytes) -> ReplayHeader:
    """Read the first frame of a reply; unknown fields are passed over.

    Raises:
        EventError: it is a refusal, or no reply.
    """
    try:
        if "error" in msgspec.json.decode(frame, type=dict[str, msgspec.Raw]):
            refusal = msgspec.json.decode(frame, type=ReplayRefusal)
            raise EventError(f"refused: {refusal.error[:_MOST_TEXT]}")
        return msgspec.json.decode(frame, type=ReplayHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventError(f"no reply of version {REPLAY_VERSION}: {error}"[:_MOST_TEXT]) from None


def replay_endpoint(publish: str) -> str:
    """Where the events that are published on an endpoint are given again, unless the user says otherwise.

    TCP: the same address, and the port that is 1000 higher, or lower where there is no higher one; any free port where
    `publish` takes one. Else `-replay` is appended.
    """
    if not publish.startswith("tcp://"):
        return publish if publish.endswith("://*") else f"{publish}-replay"
    fixed = re.fullmatch(r"(tcp://.*:)0*([1-9][0-9]{0,4})", publish)
    if fixed is None:
        return publish
    higher = int(fixed[2]) + _PORT_OFFSET
    return f"{fixed[1]}{higher if higher <= _LAST_PORT else higher - 2 * _PORT_OFFSET}"
