"""A subscriber that is killed and starts again from the cursors it has kept."""

from __future__ import annotations

import threading
import time

from emostream.streamer.client.subscriber import Cursor, Gap, SessionStarted, Subscriber
from emostream.streamer.protocol.events import EmotionEvent, Event, ResultEvent

__all__ = ["Listener"]

_SLICE_S = 0.2


class Listener(threading.Thread):
    """Receives everything that is published, over any number of its own deaths.

    Attributes:
        received: stream, session, and number of every event, in the order of their coming.
        latencies: monotonic time of receiving, and latency in milliseconds.
    """

    def __init__(self, endpoint: str) -> None:
        """Listen at `endpoint`."""
        super().__init__(name="listener", daemon=True)
        self.received: list[tuple[str, str, int]] = []
        self.latencies: list[tuple[float, float]] = []
        self._endpoint = endpoint
        self._killed, self._stopped = threading.Event(), threading.Event()
        self._cursors: dict[str, Cursor] = {}

    def kill(self) -> None:
        """Close its sockets, with whatever has not been received."""
        self._killed.set()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Receive until it is stopped."""
        while not self._stopped.is_set():
            kept = list(self._cursors.values())
            with Subscriber(self._endpoint, replay=True, cursor=kept) as subscriber:
                while not self._killed.is_set() and not self._stopped.is_set():
                    try:
                        event = subscriber.receive(timeout=_SLICE_S)
                    except TimeoutError:
                        continue
                    self._note(event)
                    self._cursors.update(subscriber.cursors)
            self._killed.clear()  # one that dies while it is dying dies once

    def _note(self, event: Event | Gap | SessionStarted) -> None:
        if isinstance(event, ResultEvent):
            self.received.append((event.stream, event.session, event.seq))
        if isinstance(event, EmotionEvent) and event.latency_ms is not None:
            self.latencies.append((time.monotonic(), event.latency_ms))
