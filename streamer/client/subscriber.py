"""The subscriber: receives the events of an emostream, typed, and notices what it missed, or gets it again.

    with Subscriber(stream="desk", replay=True) as events:
        for event in events:
            print(event.label, event.scores)

It loads pyzmq, msgspec and the standard library only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import zmq

from emostream.engines.errors import ConfigError, EventError
from emostream.streamer.client.connect import connect, silence
from emostream.streamer.client.replay import ReplayClient
from emostream.streamer.client.sequencer import Sequencer
from emostream.streamer.client.types import Cursor, Gap, Notice, SessionStarted
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT, Event, StatusEvent, check_stream_name, decode
from emostream.streamer.protocol.keys import load_client_keys
from emostream.streamer.protocol.replay import replay_endpoint

__all__ = ["Cursor", "Gap", "Notice", "SessionStarted", "Subscriber"]

RECEIVE_QUEUE = 100_000
POLL_S = 0.5


class Subscriber:
    """Iterates over the events of an endpoint; opens nothing before `with`. For one thread at a time.

    After a restart of the publisher ZeroMQ subscribes anew only while `receive` waits, so keep it waiting: what a
    busy subscriber missed by this shows as a gap, unless there is a replay.

    With a replay each event of a session comes once and in order, from the first one that came, or from the one behind
    a cursor: what is missing is asked for before what showed it, and so is what a silent stream may have said. Only
    what the publisher no longer keeps, or a server that doesn't answer within 2 seconds, is a gap.

    Attributes:
        missed: How many events were missed, by stream.
        sessions: How many sessions were seen, by stream.
        cursors: The last event that was received, by stream.
        message: The JSON of the event received last, as it came.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        *,
        stream: str | None = None,
        status: bool = False,
        timeout: float | None = None,
        notices: bool = False,
        replay: bool | str = False,
        cursor: Cursor | Iterable[Cursor] | None = None,
        server_key: str | Path | None = None,
        client_key: str | Path | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        """Set up a subscriber.

        Args:
            endpoint: Where an emostream publishes; it may start later.
            stream: The stream to receive; None receives all.
            status: Receive the status events too.
            timeout: How long one event may take to come, seconds; None waits for ever.
            notices: Give `Gap` and `SessionStarted` too, each before the event that showed it. They are logged
                as warnings otherwise.
            replay: Get missed events again, from the endpoint that belongs to `endpoint`, or from the one given.
            cursor: Go on behind this event, or behind one for each of several streams; needs `replay`.
            server_key: The publisher's public key, `server.key`; needs `client_key`.
            client_key: This client's secret key, `NAME.key_secret`; needs `server_key`.
            context: A ZeroMQ context to use; it is left open.

        Raises:
            ConfigError: The stream's name or the timeout is not valid, a cursor can't be used, or a key is missing or
                damaged.
        """
        if stream is not None:
            check_stream_name(stream)
        _check_timeout(timeout)
        cursors = [cursor] if isinstance(cursor, Cursor) else list(cursor or ())
        if wrong := [each for each in cursors if not isinstance(each, Cursor)]:
            raise ConfigError(f"the cursor is {wrong[0]!r}, expected a Cursor; Cursor.from_dict reads what was stored")
        if cursors and not replay:
            raise ConfigError("a cursor is of use with a replay only; give replay=True too")
        if others := [each.stream for each in cursors if stream not in (None, each.stream)]:
            raise ConfigError(f"the cursor is of stream {others[0]}, and stream {stream} is received; give its own")
        self._keys = load_client_keys(server_key, client_key)
        self.cursors = {each.stream: each for each in cursors}
        self.message = b""
        self._endpoint, self._stream = endpoint, stream
        self._topics = [f"{kind}/{stream}/" if stream else f"{kind}/" for kind in ("emotion", "status")[: 1 + status]]
        self._timeout = timeout
        self._own_context = context is None
        self._context = context
        self._socket: zmq.Socket[bytes] | None = None
        source = replay_endpoint(endpoint) if replay is True else replay
        self._replay = ReplayClient(source, self._keys) if source else None
        self._sequencer = Sequencer(cursors, replays=bool(replay), notices=notices)
        self.missed, self.sessions = self._sequencer.missed, self._sequencer.sessions

    def receive(self, timeout: float | None = None) -> Event | Notice:
        """Wait for the next event or notice.

        Args:
            timeout: How long to wait, seconds; None takes the subscriber's own.

        Raises:
            ConfigError: The timeout is not valid.
            TimeoutError: Nothing came in time.
            EventError: A message came that is not an event; the next call goes on behind it.
            RuntimeError: The subscriber isn't open.
        """
        _check_timeout(timeout)
        limit = self._timeout if timeout is None else timeout
        deadline = math.inf if limit is None else time.monotonic() + limit
        pending = self._sequencer.pending
        while not pending:
            self._advance(deadline)
            if not pending and time.monotonic() >= deadline:
                raise TimeoutError(silence("nothing", self._endpoint, self._stream, limit or 0.0, self._keys))
        item, message = pending.popleft()
        if not isinstance(item, (Gap, SessionStarted)):
            self.message = message
            if not isinstance(item, StatusEvent):
                self.cursors[item.stream] = Cursor(item.stream, item.session, item.seq)
        return item

    def __iter__(self) -> Subscriber:
        return self

    def __next__(self) -> Event | Notice:
        return self.receive()

    def __enter__(self) -> Subscriber:
        if self._context is None:
            self._context = zmq.Context()
        socket = self._context.socket(zmq.SUB)
        try:
            socket.rcvhwm = RECEIVE_QUEUE
            for topic in self._topics:
                socket.subscribe(topic)
            connect(socket, self._endpoint, self._keys, "can't subscribe to {}", f", as in {DEFAULT_ENDPOINT}")
            if self._replay is not None:
                self._replay.check(self._context)
        except BaseException:
            self._close(socket)
            raise
        self._socket = socket
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._close(self._socket)
            self._socket = None

    def _close(self, socket: zmq.Socket[bytes]) -> None:
        socket.close()
        if self._replay is not None:
            self._replay.abandon()
        if self._own_context and self._context is not None:
            self._context.term()
            self._context = None

    def _advance(self, deadline: float) -> None:
        """Wait for one thing that comes until the deadline, or a slice of that, and take it."""
        if self._socket is None:
            raise RuntimeError("the subscriber isn't open: use `with Subscriber(...) as events:`")
        socket, replay, sequencer = self._socket, self._replay, self._sequencer
        if sequencer.listening and socket.poll(0):
            self._take(socket)
            return
        poller = zmq.Poller()
        # In slices, since on Windows no signal, such as Ctrl-C, ends a wait inside ZeroMQ.
        wake_at = min(deadline, time.monotonic() + POLL_S)
        if sequencer.listening:
            poller.register(socket, zmq.POLLIN)
        if replay is not None:
            wake_at = min(wake_at, self._ask(replay))
            if replay.socket is not None:
                poller.register(replay.socket, zmq.POLLIN)
        ready = dict(poller.poll(max(0, math.ceil((wake_at - time.monotonic()) * 1000))))
        if socket in ready:
            self._take(socket)
        elif replay is not None and replay.socket is not None and (ready or time.monotonic() >= replay.overdue_at):
            sequencer.answer(*replay.take())

    def _ask(self, replay: ReplayClient) -> float:
        """Ask for what is wanted, if nothing is under way; gives the time at which to go on without an answer."""
        assert self._context is not None, "the socket is open"
        if replay.socket is None and (request := self._sequencer.wanted()):
            replay.ask(self._context, request)
        return self._sequencer.look_at if replay.socket is None else replay.overdue_at

    def _take(self, socket: zmq.Socket[bytes]) -> None:
        frames = socket.recv_multipart()
        if len(frames) != 2:
            raise EventError(
                f"got a message of {len(frames)} frames from {self._endpoint}, expected topic and JSON: "
                "check that the endpoint belongs to emostream"
            )
        self._sequencer.take(decode(frames[1]), frames[1])
        if self._replay is not None and not self._sequencer.listening:
            self._replay.abandon()  # what is missing goes before what may have come


def _check_timeout(timeout: float | None) -> None:
    if timeout is not None and not timeout >= 0.0:
        raise ConfigError(f"timeout is {timeout}, expected seconds from 0 on, or None")
