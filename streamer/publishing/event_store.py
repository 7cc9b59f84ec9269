"""The last events of each stream, packed, for subscribers that missed some."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field

from emostream.engines.errors import EventError
from emostream.streamer.replay_protocol import REPLAY_VERSION, ReplayHeader, ReplayRequest

__all__ = ["EVENTS_KEPT", "EventStore"]

EVENTS_KEPT = 10_000
"""Events of each stream's session: 50 minutes, and about 2 MB."""

_LEVEL = 6
_WINDOW = -12  # 4096 bytes, raw: the first event, which all others resemble, and the event itself
_MEMORY = 5  # a larger hash table takes longer to clear than an event takes to pack


@dataclass
class _Kept:
    """What is kept of one stream: event number n at n modulo the capacity, packed by what the first one was like."""

    session: str
    like: bytes
    next: int = 0
    packed: list[bytes] = field(default_factory=list)


class EventStore:
    """The last events of each stream's current session. For any thread.

    It is locked for as long as it takes to copy 500 references.
    """

    def __init__(self, capacity: int = EVENTS_KEPT) -> None:
        """Make an empty store of `capacity` events for each stream."""
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def append(self, stream: str, session: str, seq: int, message: bytes) -> None:
        """Keep an event; a session's numbers begin at 0 and leave none out. A new session displaces the earlier one."""
        with self._lock:
            kept = self._kept.get(stream)
            if kept is None or kept.session != session:
                kept = self._kept[stream] = _Kept(session, message)
            packed = _pack(message, kept.like)
            if seq < self._capacity:
                kept.packed.append(packed)
            else:
                kept.packed[seq % self._capacity] = packed
            kept.next = seq + 1

    def read(self, request: ReplayRequest) -> tuple[ReplayHeader, list[bytes]]:
        """What a request asks for, as far as it is kept.

        Raises:
            EventError: nothing of this stream or session is kept.
        """
        with self._lock:
            kept = self._kept.get(request.stream)
            if kept is None:
                raise EventError(f"stream {request.stream} has no events here")
            if request.session not in (None, kept.session):
                raise EventError(f"that session of stream {request.stream} is over; session null is the current one")
            oldest = max(0, kept.next - self._capacity)
            first = min(max(request.first, oldest), kept.next)
            end = min(first + request.count, kept.next)
            packed = [kept.packed[seq % self._capacity] for seq in range(first, end)]
            session, following = kept.session, kept.next
        header = ReplayHeader(
            version=REPLAY_VERSION,
            stream=request.stream,
            session=session,
            first=first,
            count=len(packed),
            oldest=oldest,
            next=following,
        )
        return header, [_unpack(each, kept.like) for each in packed]


def _pack(message: bytes, like: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, like)
    return packer.compress(message) + packer.flush()


def _unpack(packed: bytes, like: bytes) -> bytes:
    return zlib.decompressobj(_WINDOW, like).decompress(packed)
