"""The publisher: one thread that numbers, sends and writes down the events of a stream.

Who does what: any thread calls `publish`, which puts the event onto a bounded queue. The thread "publisher" alone
takes events off it, fills in what is known only at sending time, sends, writes, and calls the listener; it owns
the socket and the output from `start` on, and closes both when it ends.
"""

import errno
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import zmq

from engines.errors import PublishError
from streamer.events import (
    EmotionEvent,
    Event,
    LatencyQuantiles,
    StatusEvent,
    check_stream_name,
    encode,
    port_in_range,
    topic,
)
from streamer.jsonlines import JsonLinesWriter

QUEUE_SIZE = 10_000
PUT_TIMEOUT_S = 1.0
LATENCIES_KEPT = 1000

logger = logging.getLogger("emostream")


class Publisher:
    """Publishes the events of one stream; opens nothing before `start` or `with`."""

    def __init__(
        self,
        endpoint: str,
        stream: str,
        *,
        session: str,
        unix_offset: float,
        output: str | Path | None = None,
        high_water_mark: int = 10_000,
        linger_ms: int = 500,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Set up a publisher.

        Args:
            endpoint: Where to bind, as in `tcp://127.0.0.1:5557`; port 0 or `*` takes a free one.
            stream: Name of the stream, one to 64 of a-z, 0-9, `_` and `-`.
            session: UUID of this run, as hexadecimal digits.
            unix_offset: What to add to `time.monotonic()` to get Unix seconds; fixed for the session.
            output: File to which emotion and utterance events are appended as JSON Lines; "-" is standard output.
            high_water_mark: Messages kept for each subscriber that reads too slowly, before ZeroMQ drops the newest.
            linger_ms: How long closing waits for messages not yet handed to the network, milliseconds.
            on_event: Called in the publisher's thread with each event as it was sent; its exception ends publishing.

        Raises:
            ConfigError: The stream's name is not valid.
        """
        check_stream_name(stream)
        self._endpoint = endpoint
        self._stream = stream
        self._session = session
        self._unix_offset = unix_offset
        self._output = None if output is None else JsonLinesWriter(output)
        self._high_water_mark = high_water_mark
        self._linger_ms = linger_ms
        self._on_event = on_event
        self._changed = threading.Condition()
        self._queue: deque[tuple[Event, float | None, float]] = deque()
        self._waits: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._open = False
        self._failure: BaseException | None = None
        self._bound_at = -math.inf
        self._seq = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def start(self) -> "Publisher":
        """Bind the endpoint and open the output, here and now, then start the thread.

        Raises:
            PublishError: The endpoint can't be bound, or the output can't be written.
            RuntimeError: It was started before.
        """
        if self._thread is not None:
            raise RuntimeError("a Publisher starts only once; make another one")
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            socket = self._bind(context)
            if self._output is not None:
                self._output.open()
        except BaseException:
            context.destroy(linger=0)
            raise
        self._bound_at = time.monotonic()
        self._open = True
        # Starting a thread is the full memory barrier that ZeroMQ asks for when a socket changes hands.
        self._thread = threading.Thread(target=self._run, args=(context, socket), name="publisher", daemon=True)
        self._thread.start()
        return self

    def publish(self, event: Event, *, captured_at: float | None = None) -> None:
        """Queue an event; its stream, session, number and times are filled in when it is sent.

        Waits up to a second while the queue is full, then counts the event in `dropped`.

        Args:
            event: The event to publish.
            captured_at: `time.monotonic()` of the capture of the segment's end, seconds; None when latency has
                no meaning.

        Raises:
            PublishError: The publisher isn't running, or its thread ended with an exception.
        """
        with self._changed:
            roomy = self._changed.wait_for(lambda: len(self._queue) < QUEUE_SIZE or not self._open, PUT_TIMEOUT_S)
            self._raise_failure()
            if not self._open:
                raise PublishError(f"can't publish on {self._endpoint}: the publisher isn't running")
            if roomy:
                self._queue.append((event, captured_at, time.monotonic()))
                self._changed.notify_all()
                return
            self._dropped += 1
            if self._dropped == 1:
                logger.warning("the publisher's queue is full (%d events); dropping new events", QUEUE_SIZE)

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
    def queued(self) -> int:
        """How many events wait to be sent."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """How many events were dropped because the queue stayed full."""
        return self._dropped

    @property
    def output_failures(self) -> int:
        """How many events could not be written to the output."""
        return 0 if self._output is None else self._output.failures

    @property
    def send_ms(self) -> float:
        """Mean time from `publish` to the event's sending, over the last 1000 events, milliseconds."""
        waits = list(self._waits)
        return 1000.0 * sum(waits) / len(waits) if waits else 0.0

    def latency_quantiles(self) -> LatencyQuantiles | None:
        """Give the quantiles of the last 1000 latencies, milliseconds; None when there are none."""
        with self._changed:
            latencies = sorted(self._latencies)
        if not latencies:
            return None
        return LatencyQuantiles(
            p50=_quantile(latencies, 0.50),
            p95=_quantile(latencies, 0.95),
            p99=_quantile(latencies, 0.99),
            max=latencies[-1],
        )

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
        if not port_in_range(self._endpoint):
            raise PublishError(f"can't publish on {self._endpoint}: a port is at most 65535; choose one with --publish")
        socket = context.socket(zmq.PUB)
        socket.sndhwm = self._high_water_mark
        socket.linger = self._linger_ms
        socket.ipv6 = "[" in self._endpoint
        try:
            socket.bind(self._endpoint)
        except zmq.ZMQError as error:
            raise PublishError(f"can't publish on {self._endpoint}: {_remedy(error)}") from error
        self._endpoint = socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
        return socket

    def _run(self, context: "zmq.Context[zmq.Socket[bytes]]", socket: "zmq.Socket[bytes]") -> None:
        try:
            while (item := self._next()) is not None:
                self._send(socket, *item)
        except BaseException as error:  # noqa: BLE001 - handed to the caller of publish or stop
            with self._changed:
                self._failure = error
                self._open = False
                self._changed.notify_all()
        finally:
            socket.close()
            context.term()
            if self._output is not None:
                self._output.close()

    def _next(self) -> tuple[Event, float | None, float] | None:
        """Wait for an event; None when the publisher was stopped and all are sent."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or not self._open)
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._changed.notify_all()
            return item

    def _send(self, socket: "zmq.Socket[bytes]", event: Event, captured_at: float | None, queued_at: float) -> None:
        now = time.monotonic()
        fields: dict[str, object] = {"stream": self._stream, "session": self._session}
        if not isinstance(event, StatusEvent):
            fields |= {"seq": self._seq, "published_at": round(now + self._unix_offset, 6)}
        if isinstance(event, EmotionEvent):
            latency_ms = None if captured_at is None else round((now - captured_at) * 1000, 3)
            fields["latency_ms"] = latency_ms
            if latency_ms is not None:
                with self._changed:
                    self._latencies.append(latency_ms)
        sent = msgspec.structs.replace(event, **fields)
        message = encode(sent)
        socket.send_multipart([topic(sent), message])
        self._waits.append(time.monotonic() - queued_at)
        if not isinstance(event, StatusEvent):
            self._seq += 1
            if self._output is not None:
                self._output.write(message)
        if self._on_event is not None:
            self._on_event(sent)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            message = f"publishing on {self._endpoint} ended: {type(self._failure).__name__}: {self._failure}"
            raise PublishError(message) from self._failure


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Give the smallest value that at least `share` of the values don't exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]


def _remedy(error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return "the address is already in use; another emostream may run; choose another with --publish"
    if error.errno == errno.EACCES:
        return "permission denied; choose a port from 1024 on, or a path that you may write to, with --publish"
    if error.errno in {zmq.EADDRNOTAVAIL, errno.ENODEV}:
        return "this machine has no such address; choose tcp://127.0.0.1:5557, or tcp://*:5557, with --publish"
    if error.errno in {errno.EINVAL, zmq.EPROTONOSUPPORT}:
        return "expected tcp://ADDRESS:PORT, as in tcp://127.0.0.1:5557; choose another with --publish"
    return f"{error.strerror}; choose another with --publish"
