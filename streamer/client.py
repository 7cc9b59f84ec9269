"""The subscriber: receives the events of an emostream, typed, and notices what it missed.

    with Subscriber(stream="desk") as events:
        for event in events:
            print(event.label, event.scores)

It loads pyzmq, msgspec and the standard library only.
"""

import logging
import math
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

import zmq

from engines.errors import ConfigError, EventError
from streamer.events import DEFAULT_ENDPOINT, Event, StatusEvent, check_stream_name, decode, port_in_range

RECEIVE_QUEUE = 100_000
RECONNECT_MS = 100
POLL_S = 0.5

logger = logging.getLogger("emostream")


@dataclass(frozen=True)
class SessionStarted:
    """A publisher of the stream started anew; noticed once an earlier session was seen."""

    stream: str
    session: str


@dataclass(frozen=True)
class Gap:
    """Events that were published but not received: `count` of them, from number `first_missed` on."""

    stream: str
    session: str
    first_missed: int
    count: int


Notice: TypeAlias = Gap | SessionStarted


class Subscriber:
    """Iterates over the events of an endpoint; opens nothing before `with`. For one thread at a time.

    After a restart of the publisher ZeroMQ subscribes anew only while `receive` waits, so keep it waiting: what a
    busy subscriber missed by this shows as a gap.

    Attributes:
        missed: How many events were missed, by stream.
        sessions: How many sessions were seen, by stream.
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
        context: "zmq.Context[zmq.Socket[bytes]] | None" = None,
    ) -> None:
        """Set up a subscriber.

        Args:
            endpoint: Where an emostream publishes; it may start later.
            stream: The stream to receive; None receives all.
            status: Receive the status events too.
            timeout: How long one event may take to come, seconds; None waits for ever.
            notices: Give `Gap` and `SessionStarted` too, each before the event that showed it. They are logged
                as warnings otherwise.
            context: A ZeroMQ context to use; it is left open.

        Raises:
            ConfigError: The stream's name is not valid.
        """
        if stream is not None:
            check_stream_name(stream)
        self.missed: dict[str, int] = {}
        self.sessions: dict[str, int] = {}
        self.message = b""
        self._endpoint = endpoint
        self._topics = [f"{kind}/{stream}/" if stream else f"{kind}/" for kind in ("emotion", "status")[: 1 + status]]
        self._timeout = timeout
        self._notices = notices
        self._own_context = context is None
        self._context = context
        self._socket: zmq.Socket[bytes] | None = None
        self._session: dict[str, str] = {}
        self._next_seq: dict[str, int] = {}
        self._pending: deque[Event | Notice] = deque()

    def receive(self, timeout: float | None = None) -> Event | Notice:
        """Wait for the next event or notice.

        Args:
            timeout: How long to wait, seconds; None takes the subscriber's own.

        Raises:
            TimeoutError: Nothing came in time.
            EventError: A message came that is not an event; the next call goes on behind it.
            RuntimeError: The subscriber isn't open.
        """
        if not self._pending:
            event = self._receive(self._timeout if timeout is None else timeout)
            for notice in self._follow(event):
                # Whoever asks for notices reports them; the log is for everyone else.
                logger.log(logging.DEBUG if self._notices else logging.WARNING, "%s", _describe(notice))
                if self._notices:
                    self._pending.append(notice)
            self._pending.append(event)
        return self._pending.popleft()

    def __iter__(self) -> "Subscriber":
        return self

    def __next__(self) -> Event | Notice:
        return self.receive()

    def __enter__(self) -> "Subscriber":
        if self._context is None:
            self._context = zmq.Context()
        socket = self._context.socket(zmq.SUB)
        try:
            socket.linger = 0
            socket.rcvhwm = RECEIVE_QUEUE
            socket.reconnect_ivl = RECONNECT_MS
            socket.ipv6 = "[" in self._endpoint
            for topic in self._topics:
                socket.subscribe(topic)
            if not port_in_range(self._endpoint):
                raise ConfigError(f"can't subscribe to {self._endpoint}: a port is at most 65535")
            socket.connect(self._endpoint)
        except zmq.ZMQError as error:
            self._close(socket)
            raise ConfigError(
                f"can't subscribe to {self._endpoint!r}: {error.strerror}; expected tcp://ADDRESS:PORT, "
                f"as in {DEFAULT_ENDPOINT}"
            ) from error
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

    def _close(self, socket: "zmq.Socket[bytes]") -> None:
        socket.close()
        if self._own_context and self._context is not None:
            self._context.term()
            self._context = None

    def _receive(self, timeout: float | None) -> Event:
        if self._socket is None:
            raise RuntimeError("the subscriber isn't open: use `with Subscriber(...) as events:`")
        deadline = None if timeout is None else time.monotonic() + timeout
        # In slices, since on Windows no signal, such as Ctrl-C, ends a wait inside ZeroMQ.
        while not self._socket.poll(_slice_ms(deadline)):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"nothing from {self._endpoint} for {timeout:g} s: is emostream running there?")
        frames = self._socket.recv_multipart()
        if len(frames) != 2:
            raise EventError(
                f"got a message of {len(frames)} frames from {self._endpoint}, expected topic and JSON: "
                "check that the endpoint belongs to emostream"
            )
        self.message = frames[1]
        return decode(frames[1])

    def _follow(self, event: Event) -> list[Notice]:
        """Keep track of sessions and numbers, and tell what the event shows."""
        notices: list[Notice] = []
        stream, session = event.stream, event.session
        before = self._session.get(stream)
        if session != before:
            self._session[stream] = session
            self.sessions[stream] = self.sessions.get(stream, 0) + 1
            self._next_seq.pop(stream, None)
            if before is not None:
                notices.append(SessionStarted(stream, session))
                self._next_seq[stream] = 0
        if isinstance(event, StatusEvent):
            return notices
        # A subscriber that joins late has no number to expect.
        expected = self._next_seq.get(stream, event.seq)
        if event.seq > expected:
            missed = event.seq - expected
            self.missed[stream] = self.missed.get(stream, 0) + missed
            notices.append(Gap(stream, session, expected, missed))
        self._next_seq[stream] = event.seq + 1
        return notices


def _describe(notice: Notice) -> str:
    if isinstance(notice, SessionStarted):
        return f"stream {notice.stream}: session {notice.session} started"
    last = notice.first_missed + notice.count - 1
    return f"stream {notice.stream}: missed {notice.count} events, numbers {notice.first_missed} to {last}"


def _slice_ms(deadline: float | None) -> int:
    left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
    return max(0, math.ceil(left * 1000))
