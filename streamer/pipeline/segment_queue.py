"""Segments of one stream on their way to the engine; dropped when they are too old."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from emostream.engines.frontend.segmenter import Segment
from emostream.streamer.protocol.events import Dropped

__all__ = ["SegmentQueue", "TimedSegment"]

_MAX_STALE = 1000  # five minutes


@dataclass(frozen=True)
class TimedSegment:
    """A segment and when it was captured.

    Attributes:
        segment: the segment; without inputs once it was dropped.
        captured_at: monotonic time of its end; None where nothing is captured in real time.
        unix_end: Unix time of its end.
        cut_at: monotonic time at which it was cut.
        lost: frames and audio lost until it was cut.
        stale: whether it became too old before the engine had time for it.
    """

    segment: Segment
    captured_at: float | None
    unix_end: float
    cut_at: float
    lost: Dropped
    stale: bool = False

    def unix(self, grid: float) -> float:
        """Unix time of a grid time near this segment."""
        return self.unix_end - (self.segment.t_end - grid)


class SegmentQueue:
    """From the segmenting thread to the worker, in order.

    A live stream drops segments whose end is more than `max_lag_s` ago: the oldest lose their inputs and are marked,
    but keep their place, since what they say about speech begins and ends utterances. A recording waits instead.

    Attributes:
        max_lag_s: age in seconds of the oldest; None for recordings. Set before the first segment is put.
    """

    def __init__(
        self,
        capacity: int,
        max_lag_s: float | None,
        on_drop: Callable[[], None] | None = None,
        condition: threading.Condition | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            capacity: most segments with inputs that it holds.
            max_lag_s: see above.
            on_drop: called for each segment that loses its inputs.
            condition: notified at every change; several queues may share one.
        """
        self._capacity, self.max_lag_s, self._on_drop = capacity, max_lag_s, on_drop
        self._stale = 0  # at the front of the queue
        self._items: deque[TimedSegment] = deque()
        self._condition = condition or threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: TimedSegment) -> None:
        """Append a segment; on a recording, wait for room."""
        with self._condition:
            if self.max_lag_s is None:
                self._condition.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                return
            self._items.append(item)
            self._drop_old()
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing more comes in."""
        return self._closed

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        return self._closed and not self._items

    def pop(self) -> TimedSegment | None:
        """The oldest segment, or None when there is none just now."""
        with self._condition:
            self._drop_old()
            if not self._items:
                return None
            self._stale = max(0, self._stale - 1)
            self._condition.notify_all()
            return self._items.popleft()

    def close(self, *, discard: bool = False) -> None:
        """Let nothing more in; with `discard`, throw away what waits."""
        with self._condition:
            self._closed = True
            if discard:
                self._items.clear()
            self._condition.notify_all()

    def _drop_old(self) -> None:
        if self.max_lag_s is None:
            return
        now = time.monotonic()
        while self._stale < len(self._items):
            item = self._items[self._stale]
            crowded = len(self._items) - self._stale > self._capacity
            late = item.captured_at is not None and now - item.captured_at > self.max_lag_s
            if not (crowded or late):
                break
            empty = replace(item.segment, samples=None, mel=None, clip=None, ticks=())
            self._items[self._stale] = replace(item, segment=empty, stale=True)
            self._stale += 1
            if self._on_drop:
                self._on_drop()
        while self._stale > _MAX_STALE:  # the engine hangs: not even their speech will matter
            self._items.popleft()
            self._stale -= 1
