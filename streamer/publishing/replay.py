"""The replay server: gives the last events of each stream again to subscribers that missed some.

Who does what: the publisher's thread alone appends to the `EventStore`. The thread "replay" alone takes events out of
it, and owns the ROUTER socket from `start` on; `replay_protocol` tells what it speaks. Neither waits for the other.

No client makes it larger: of each, 16 requests wait, which are read frame by frame, and 2 replies, beyond which they
are dropped. A message whose frames never end grows inside ZeroMQ, until the `ConnectionGuard` cuts off who sends it.
"""

from __future__ import annotations

import logging

import zmq

from emostream.engines.errors import EventError
from emostream.streamer.keys import ServerKeys
from emostream.streamer.publishing.binding import bind
from emostream.streamer.publishing.event_store import EventStore
from emostream.streamer.replay_protocol import ReplayRefusal, decode_request, encode_header
from emostream.streamer.threads import OwnedThread

__all__ = ["ReplayServer"]

_log = logging.getLogger("emostream")

_WAITING_REQUESTS = 16
_WAITING_REPLIES = 2


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
