"""One stream's part of what is published: its name, its session, its numbers and its latencies."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from emostream.streamer.protocol.events import EmotionEvent, Event, LatencyQuantiles, StatusEvent, check_stream_name

__all__ = ["LATENCIES_KEPT", "LATENCY_BOUNDS_MS", "Channel", "Waiting"]

LATENCIES_KEPT = 1000
LATENCY_BOUNDS_MS = (25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 750.0, 1000.0, 2000.0)


@dataclass(frozen=True)
class Waiting:
    """An event in the publisher's queue.

    Attributes:
        channel: whose it is.
        event: the event, not numbered yet.
        captured_at: monotonic time of the capture of the segment's end, in seconds; None where latency has no meaning.
        queued_at: monotonic time at which it was queued.
    """

    channel: Channel
    event: Event
    captured_at: float | None
    queued_at: float


class Channel:
    """Publishes the events of one stream. Any thread may publish; only the publisher's thread seals."""

    def __init__(self, stream: str, session: str, unix_offset: float, put: Callable[[Waiting], bool]) -> None:
        """Set up a channel; `Publisher.channel` does.

        Args:
            stream: Name of the stream, one to 64 of a-z, 0-9, `_` and `-`.
            session: UUID of this run of the stream, as hexadecimal digits.
            unix_offset: What to add to `time.monotonic()` to get Unix seconds; fixed for the session.
            put: Queues an event; False where there was no room for it.

        Raises:
            ConfigError: The stream's name is not valid.
        """
        check_stream_name(stream)
        self.stream, self.session, self.unix_offset = stream, session, unix_offset
        self._put = put
        self._waits: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._latency_counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        self._latency_total_ms = 0.0
        self._lock = threading.Lock()
        self._seq = 0
        self._dropped = 0

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
        if not self._put(Waiting(self, event, captured_at, time.monotonic())):
            with self._lock:
                self._dropped += 1

    def seal(self, waiting: Waiting) -> Event:
        """The event as it leaves at this moment: numbered, and with its times."""
        now = time.monotonic()
        fields: dict[str, object] = {"stream": self.stream, "session": self.session}
        if not isinstance(waiting.event, StatusEvent):
            fields |= {"seq": self._seq, "published_at": round(now + self.unix_offset, 6)}
            self._seq += 1
        if isinstance(waiting.event, EmotionEvent):
            captured_at = waiting.captured_at
            latency_ms = None if captured_at is None else round((now - captured_at) * 1000, 3)
            fields["latency_ms"] = latency_ms
            if latency_ms is not None:
                with self._lock:
                    self._latencies.append(latency_ms)
                    self._latency_counts[bisect_left(LATENCY_BOUNDS_MS, latency_ms)] += 1
                    self._latency_total_ms += latency_ms
        return msgspec.structs.replace(waiting.event, **fields)

    def note_sent(self, waiting: Waiting) -> None:
        """The event has been handed to the socket."""
        with self._lock:
            self._waits.append(time.monotonic() - waiting.queued_at)

    @property
    def published(self) -> int:
        """How many emotion and utterance events were sent."""
        return self._seq

    @property
    def dropped(self) -> int:
        """How many events were dropped because the queue stayed full."""
        return self._dropped

    @property
    def send_ms(self) -> float:
        """Mean time from `publish` to the event's sending, over the last 1000 events, milliseconds."""
        with self._lock:
            return 1000.0 * sum(self._waits) / len(self._waits) if self._waits else 0.0

    def latency_quantiles(self) -> LatencyQuantiles | None:
        """Give the quantiles of the last 1000 latencies, milliseconds; None when there are none."""
        with self._lock:
            latencies = sorted(self._latencies)
        if not latencies:
            return None
        return LatencyQuantiles(
            p50=_quantile(latencies, 0.50),
            p95=_quantile(latencies, 0.95),
            p99=_quantile(latencies, 0.99),
            max=latencies[-1],
        )

    def latency_counts(self) -> tuple[list[int], float]:
        """How many events of the session were no later than each of `LATENCY_BOUNDS_MS`, then all, and their sum."""
        with self._lock:
            return list(accumulate(self._latency_counts)), self._latency_total_ms


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Give the smallest value that at least `share` of the values don't exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]
