"""The client of the replay server: asks, and gives what came back.

It loads pyzmq, msgspec and the standard library only.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import zmq

from emostream.engines.errors import EventError
from emostream.streamer.client.connect import connect
from emostream.streamer.protocol.events import ResultEvent, StatusEvent, decode
from emostream.streamer.protocol.keys import ClientKeys
from emostream.streamer.protocol.replay import ReplayHeader, ReplayRequest, decode_header, encode_request

__all__ = ["ANSWER_S", "Answer", "ReplayClient"]

ANSWER_S = 2.0
"""How long a server may take to answer, seconds."""

_log = logging.getLogger("emostream")


@dataclass(frozen=True)
class Answer:
    """What a server gave.

    Attributes:
        header: of the reply.
        events: with the JSON of each, as it was published.
    """

    header: ReplayHeader
    events: list[tuple[ResultEvent, bytes]]


class ReplayClient:
    """Asks one thing at a time. For one thread at a time.

    Each request has a socket of its own: no late reply is taken for that of another request, and none waits on a
    connection that the server's restart has broken.

    Attributes:
        socket: where the reply to the request under way will come; None when none is.
        overdue_at: monotonic time at which that is given up, seconds.
    """

    def __init__(self, endpoint: str, keys: ClientKeys | None = None) -> None:
        """Set up a client of the server at `endpoint`; it opens nothing before `ask`."""
        self.socket: zmq.Socket[bytes] | None = None
        self.overdue_at = 0.0
        self._endpoint, self._keys = endpoint, keys
        self._request: ReplayRequest | None = None

    def check(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        """Try whether sockets can be connected; the server need not run.

        Raises:
            ConfigError: the endpoint is not valid.
        """
        self._connect(context).close()

    def ask(self, context: zmq.Context[zmq.Socket[bytes]], request: ReplayRequest) -> None:
        """Send a request; one that is under way is abandoned."""
        self.abandon()
        self.socket, self._request = self._connect(context), request
        self.socket.send(encode_request(request))
        self.overdue_at = time.monotonic() + ANSWER_S

    def take(self) -> tuple[ReplayRequest, Answer | None]:
        """The request that was under way, and the reply if it has come and is of use; the log says what was wrong."""
        assert self.socket is not None, "ask comes first"
        assert self._request is not None, "ask comes first"
        socket, request = self.socket, self._request
        answer = None
        try:
            answer = _read(socket.recv_multipart(zmq.DONTWAIT), request)
        except zmq.Again:
            _log.debug("replay from %s, stream %s: no answer in %g s", self._endpoint, request.stream, ANSWER_S)
        except EventError as error:
            _log.debug("replay from %s, stream %s: %s", self._endpoint, request.stream, error)
        self.abandon()
        return request, answer

    def abandon(self) -> None:
        """Wait no longer for a reply."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _connect(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
        return connect(context.socket(zmq.DEALER), self._endpoint, self._keys, "can't ask {} for a replay")


def _read(frames: list[bytes], request: ReplayRequest) -> Answer:
    """Read a reply, and refuse one that isn't what was asked for."""
    header = decode_header(frames[0])
    fits = header.stream == request.stream and request.session in (None, header.session)
    if not fits or header.count > request.count or header.count != len(frames) - 1:
        raise EventError("the reply does not belong to the request")
    events: list[tuple[ResultEvent, bytes]] = []
    for seq, message in enumerate(frames[1:], header.first):
        event = decode(message)
        if isinstance(event, StatusEvent) or (event.stream, event.session, event.seq) != (
            header.stream,
            header.session,
            seq,
        ):
            raise EventError(f"event {seq} of the reply is another one")
        events.append((event, message))
    return Answer(header, events)
