"""The publisher: one thread that sends and writes down the events of every stream.

Who does what: any thread calls `Channel.publish`, which puts the event onto a bounded queue. The thread "publisher"
alone takes events off it, lets their channel fill in what is known only at sending time, keeps them for the replay,
sends, writes, and calls the listener; it owns the socket and the output from `start` on, and closes both when it ends.
With the end of its context the replay ends, which has a thread and a socket of its own; the thread "guard" looks at
what clients send to both.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import zmq

from emostream.engines.errors import PublishError
from emostream.streamer.outputs.choose import output_to
from emostream.streamer.protocol.events import Event, StatusEvent, encode, topic
from emostream.streamer.protocol.keys import ServerKeys
from emostream.streamer.publishing.binding import bind, check_reach
from emostream.streamer.publishing.channel import Channel, Waiting
from emostream.streamer.publishing.connection_guard import ConnectionGuard
from emostream.streamer.publishing.replay import EventStore, ReplayServer

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

QUEUE_SIZE = 10_000
PUT_TIMEOUT_S = 1.0
END_THREAD_S = 0.2
SUBSCRIPTIONS_BYTES = 1 << 18  # of one client
REQUESTS_BYTES = 1 << 22

logger = logging.getLogger("emostream")


class Publisher:
    """Publishes the events of all streams on one socket; opens nothing before `start` or `with`."""

    def __init__(
        self,
        endpoint: str,
        *,
        replay: str | None = None,
        keys: ServerKeys | None = None,
        insecure: bool = False,
        output: str | Path | None = None,
        labels: Sequence[str] = (),
        high_water_mark: int = 10_000,
        linger_ms: int = 500,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Set up a publisher.

        Args:
            endpoint: Where to bind, as in `tcp://127.0.0.1:5557`; port 0 or `*` takes a free one.
            replay: Where to bind the socket that gives events again (see `protocol/replay.py`); None gives none.
            keys: Encrypt both sockets, and let in only clients that are listed.
            insecure: Without keys, allow endpoints that other machines can reach.
            output: File to which emotion and utterance events are appended as JSON Lines, or Parquet files where it
                ends in ".parquet"; "-" is standard output.
            labels: The bundle's classes, which are columns of Parquet files.
            high_water_mark: Messages kept for each subscriber that reads too slowly, before ZeroMQ drops the newest.
            linger_ms: How long closing waits for messages not yet handed to the network, milliseconds.
            on_event: Called in the publisher's thread with each event as it was sent; its exception ends publishing.

        Raises:
            ConfigError: Other machines can reach an endpoint, and neither `keys` nor `insecure` is given.
        """
        if keys is None and not insecure:
            check_reach(endpoint, "publish")
            check_reach(replay or "", "replay")
        self._endpoint = endpoint
        self._store = None if replay is None else EventStore()
        self._replay = None if replay is None or self._store is None else ReplayServer(replay, self._store, keys)
        self._keys = keys
        self._authenticator: ThreadAuthenticator | None = None
        self._output = None if output is None else output_to(output, labels)
        self._high_water_mark = high_water_mark
        self._linger_ms = linger_ms
        self._on_event = on_event
        self._changed = threading.Condition()
        self._queue: deque[Waiting] = deque()
        self._open = False
        self._failure: BaseException | None = None
        self._bound_at = -math.inf
        self._said_full = False
        self._thread: threading.Thread | None = None

    def start(self) -> "Publisher":
        """Bind the endpoints and open the output, here and now, then start the threads.

        Raises:
            PublishError: An endpoint can't be bound, or the output can't be written.
            RuntimeError: It was started before.
        """
        if self._thread is not None:
            raise RuntimeError("a Publisher starts only once; make another one")
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            if self._keys is not None:
                self._authenticator = self._keys.start_authenticator(context)
            socket = self._bind(context)
            if self._replay is not None:
                self._replay.bind(context)
            if self._output is not None:
                self._output.open()
        except BaseException:
            self._stop_authenticator()
            context.destroy(linger=0)
            raise
        allowances = {self._endpoint: SUBSCRIPTIONS_BYTES}
        if self._replay is not None:
            allowances[self._replay.endpoint] = REQUESTS_BYTES
        guard = ConnectionGuard(allowances)
        guard.start()
        self._bound_at = time.monotonic()
        self._open = True
        # Starting a thread is the full memory barrier that ZeroMQ asks for when a socket changes hands.
        self._thread = threading.Thread(target=self._run, args=(context, socket, guard), name="publisher", daemon=True)
        self._thread.start()
        if self._replay is not None:
            self._replay.start()
        return self

    def channel(self, stream: str, *, session: str, unix_offset: float) -> Channel:
        """Make the channel of one stream; its parameters are those of `Channel`.

        Raises:
            ConfigError: The stream's name is not valid.
        """
        return Channel(stream, session, unix_offset, self._put)

    def stop(self, timeout: float = 1.0) -> None:
        """Send what is queued, close, and wait for the thread; returns after `timeout` seconds at the latest.

        Raises:
            PublishError: The thread ended with an exception, now or before.
        """
        with self._changed:
            self._open = False
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                logger.warning("the publisher didn't end within %g s; %d events are left unsent", timeout, self.queued)
        self._raise_failure()

    def wait_settled(self, seconds: float = 0.5) -> None:
        """Wait until `seconds` after binding, so that subscribers that were waiting have connected again.

        A subscriber tries to connect about every 100 ms, and what is sent before it has connected passes it by.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._open, max(0.0, self._bound_at + seconds - time.monotonic()))

    @property
    def endpoint(self) -> str:
        """The endpoint, after `start` with the port that was really bound."""
        return self._endpoint

    @property
    def replay(self) -> str | None:
        """The endpoint of the replay, after `start` with the port that was really bound; None where there is none."""
        return None if self._replay is None else self._replay.endpoint

    @property
    def queued(self) -> int:
        """How many events wait to be sent."""
        return len(self._queue)

    @property
    def output_failures(self) -> int:
        """How many events could not be written to the output."""
        return 0 if self._output is None else self._output.failures

    def __enter__(self) -> "Publisher":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except PublishError:
            # An exception from the `with` block is the cause, or names this very failure.
            if error is None:
                raise

    def _bind(self, context: "zmq.Context[zmq.Socket[bytes]]") -> "zmq.Socket[bytes]":
        socket = context.socket(zmq.PUB)
        socket.sndhwm = self._high_water_mark
        socket.linger = self._linger_ms
        if self._keys is not None:
            self._keys.protect(socket)
        self._endpoint = bind(socket, self._endpoint, "publish")
        return socket

    def _put(self, waiting: Waiting) -> bool:
        """Queue an event, after a wait for room; False where there was none."""
        with self._changed:
            roomy = self._changed.wait_for(lambda: len(self._queue) < QUEUE_SIZE or not self._open, PUT_TIMEOUT_S)
            self._raise_failure()
            if not self._open:
                raise PublishError(f"can't publish on {self._endpoint}: the publisher isn't running")
            if roomy:
                self._queue.append(waiting)
                self._changed.notify_all()
            elif not self._said_full:
                self._said_full = True
                logger.warning("the publisher's queue is full (%d events); dropping new events", QUEUE_SIZE)
            return roomy

    def _run(
        self, context: "zmq.Context[zmq.Socket[bytes]]", socket: "zmq.Socket[bytes]", guard: ConnectionGuard
    ) -> None:
        try:
            while (waiting := self._next()) is not None:
                self._send(socket, waiting)
        except BaseException as error:  # noqa: BLE001 - handed to the caller of publish or stop
            with self._changed:
                self._failure = error
                self._open = False
                self._changed.notify_all()
        finally:
            socket.close()
            self._stop_authenticator()
            context.term()
            if self._replay is not None:
                self._replay.join(END_THREAD_S)
            guard.stop(END_THREAD_S)
            if self._output is not None:
                self._output.close()

    def _stop_authenticator(self) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()
            self._authenticator = None

    def _next(self) -> Waiting | None:
        """Wait for an event; None when the publisher was stopped and all are sent."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or not self._open)
            if not self._queue:
                return None
            waiting = self._queue.popleft()
            self._changed.notify_all()
            return waiting

    def _send(self, socket: "zmq.Socket[bytes]", waiting: Waiting) -> None:
        sent = waiting.channel.seal(waiting)
        message = encode(sent)
        if self._store is not None and not isinstance(sent, StatusEvent):
            self._store.append(sent.stream, sent.session, sent.seq, message)
        socket.send_multipart([topic(sent), message])
        waiting.channel.note_sent(waiting)
        if self._output is not None and not isinstance(sent, StatusEvent):
            self._output.write(message)
        if self._on_event is not None:
            self._on_event(sent)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            message = f"publishing on {self._endpoint} ended: {type(self._failure).__name__}: {self._failure}"
            raise PublishError(message) from self._failure
