"""Everyone who looks at the page, and what they have to be told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from emostream.streamer.protocol.events import Event, StatusEvent, encode
from emostream.streamer.web.stream_preview import StreamPreview

__all__ = ["Listener", "ViewerHub"]

_KEPT = 700  # events of a stream that a new viewer is told: three minutes of segments, and their utterances


class Listener(Protocol):
    """One who is told of events."""

    def offer(self, message: str) -> None:
        """Take the JSON of an event, in the publisher's thread."""


class ViewerHub:
    """Hands every event to every viewer, and those of the last minutes to each new one; none is missed between.

    Attributes:
        previews: what there is to see, by stream.
    """

    def __init__(self, previews: Mapping[str, StreamPreview]) -> None:
        """Begin with no viewer."""
        self.previews = previews
        self._events = {name: deque[str](maxlen=_KEPT) for name in previews}
        self._status: dict[str, str] = {}
        self._listeners: set[Listener] = set()
        self._looking: set[Listener] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many viewers there are."""
        return len(self._listeners)

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        message = encode(event).decode()
        with self._lock:
            if isinstance(event, StatusEvent):
                self._status[event.stream] = message
            else:
                self._events[event.stream].append(message)
            for listener in self._listeners:
                listener.offer(message)

    def join(self, listener: Listener) -> list[str]:
        """Let a viewer in; the events of the last minutes, by stream and in their order."""
        with self._lock:
            self._listeners.add(listener)
            return [*self._status.values(), *(message for events in self._events.values() for message in events)]

    def look(self, listener: Listener, looking: bool) -> None:
        """Whether a viewer wants pictures and levels just now."""
        with self._lock:
            if looking:
                self._looking.add(listener)
            else:
                self._looking.discard(listener)
            for preview in self.previews.values():
                preview.watch(bool(self._looking))

    def leave(self, listener: Listener) -> None:
        """Let a viewer go."""
        self.look(listener, False)
        with self._lock:
            self._listeners.discard(listener)
