"""The replay server: gives the last events of each stream again to subscribers that missed some.

Who does what: the publisher's thread alone appends to the `EventStore`. The thread "replay" alone takes events out of
it, and owns the ROUTER socket from `start` on; `protocol/replay.py` defines the messages. Neither waits for the other.

No client makes it larger: of each, 16 requests wait, which are read frame by frame, and 2 replies, beyond which they
are dropped. A message whose frames never end grows inside ZeroMQ, until the `ConnectionGuard` cuts off who sends it.
"""

from __future__ import annotations

import logging
import threading
import zlib
from dataclasses import dataclass, field

import zmq

from emostream.engines.errors import EventError
from emostream.streamer.protocol.keys import ServerKeys
from emostream.streamer.protocol.replay import (
    REPLAY_VERSION,
    ReplayHeader,
    ReplayRefusal,
    ReplayRequest,
    decode_request,
    encode_header,
)
from emostream.streamer.publishing.binding import bind
from emostream.streamer.threads import OwnedThread

__all__ = ["EVENTS_KEPT", "EventStore", "ReplayServer"]

EVENTS_KEPT = 10_000
"""Events of each stream's session: 50 minutes, and about 2 MB."""

_ZLIB_LEVEL = 6
_ZLIB_WINDOW = -12  # 4096 bytes, raw: the first event, which all others resemble, and the event itself
_ZLIB_MEMORY = 5  # a larger hash table takes longer to clear than an event takes to pack

_log = logging.getLogger("emostream")

_WAITING_REQUESTS = 16
_WAITING_REPLIES = 2


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
    packer = zlib.compressobj(_ZLIB_LEVEL, zlib.DEFLATED, _ZLIB_WINDOW, _ZLIB_MEMORY, zlib.Z_DEFAULT_STRATEGY, like)
    return packer.compress(message) + packer.flush()


def _unpack(packed: bytes, like: bytes) -> bytes:
    return zlib.decompressobj(_ZLIB_WINDOW, like).decompress(packed)


class ReplayServer:
    """Answers replay requests from a store, in a thread of its own, until its context ends."""

    def __init__(self, endpoint: str, store: EventStore, keys: ServerKeys | None = None) -> None:
        """Set up a server; it opens nothing before `bind`.

        Args:
            endpoint: where to bind; port 0 or `*` takes a free one. After `bind`, with the real port.
            store: what it gives.
            keys: encrypt the socket; the context's authenticator lets clients in.
        """
        self.endpoint = endpoint
        self._store, self._keys = store, keys
        self._socket: zmq.Socket[bytes] | None = None
        self._thread = OwnedThread("replay", self._run, self._fail)

    def bind(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Open and bind the socket.

        Raises:
            PublishError: the endpoint can't be bound.
        """
        socket = context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.rcvhwm, socket.sndhwm = _WAITING_REQUESTS, _WAITING_REPLIES
        if self._keys is not None:
            self._keys.protect(socket)
        self.endpoint = bind(socket, self.endpoint, "replay")
        self._socket = socket

    def start(self) -> None:
        """Start the thread, to which the socket belongs from now on. Ending the context ends both."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        assert self._socket is not None, "bind comes first"
        try:
            while True:
                self._serve(self._socket)
        except zmq.ContextTerminated:
            pass
        finally:
            self._socket.close()

    def _serve(self, socket: zmq.Socket[bytes]) -> None:
        """Answer one request; a reply for which the client's queue has no room is dropped."""
        client, frames = socket.recv(), 0
        request = b""
        while socket.getsockopt(zmq.RCVMORE):
            frames += 1
            frame = socket.recv()
            request = frame if frames == 1 else request
        try:
            if frames != 1:
                raise EventError(f"got {frames} frames, expected one")
            header, events = self._store.read(decode_request(request))
        except EventError as error:
            reply = [encode_header(ReplayRefusal(str(error)))]
        else:
            reply = [encode_header(header), *events]
        # ZeroMQ notes only now and then, but here, which replies the client has fetched.
        socket.getsockopt(zmq.EVENTS)
        socket.send_multipart([client, *reply], zmq.DONTWAIT)

    def _fail(self, error: BaseException) -> None:
        _log.error("replay on %s ended (%s: %s); publishing goes on", self.endpoint, type(error).__name__, error)
