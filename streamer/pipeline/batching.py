"""Batches from the segments of many streams: full ones when the engine falls behind, and fair between the streams."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emostream.streamer.pipeline.segment_queue import SegmentQueue, TimedSegment

__all__ = ["Batcher", "SegmentBatch"]

_PATIENCE_S = 0.003  # for the segments of other streams, which often end together


@dataclass(frozen=True)
class SegmentBatch:
    """The next batch for the engine.

    Attributes:
        segments: each with the number of its stream; in order within a stream.
        ended: streams that have no more segments, each told once and after the last of them.
    """

    segments: list[tuple[int, TimedSegment]]
    ended: list[int]


class Batcher:
    """Takes from the queues of many streams, one segment from each in turn. Only one thread may take."""

    def __init__(self, queues: Sequence[SegmentQueue], condition: threading.Condition) -> None:
        """Take from `queues`, which share `condition`."""
        self._queues, self._condition = queues, condition
        self._open = list(range(len(queues)))  # the next one to be served comes first

    def batches(self, most: int, *, full: bool) -> Iterator[SegmentBatch]:
        """Wait for segments again and again, until every queue has ended.

        Args:
            most: largest batch.
            full: wait for full batches, each of one stream, so that batches don't depend on load.
        """
        while self._open:
            with self._condition:
                batch = self._full(most) if full else self._fair(most)
                ended = [number for number in self._open if self._queues[number].ended]
                self._open = [number for number in self._open if number not in ended]
            yield SegmentBatch(batch, sorted(ended))

    def _fair(self, most: int) -> list[tuple[int, TimedSegment]]:
        self._condition.wait_for(lambda: any(map(self._waiting, self._open)) or self._some_ended())
        if len(self._open) > 1:
            self._condition.wait_for(lambda: self._enough(most), _PATIENCE_S)
        batch: list[tuple[int, TimedSegment]] = []
        idle = 0
        while len(batch) < most and idle < len(self._open):
            number = self._open.pop(0)
            self._open.append(number)
            segment = self._queues[number].pop()
            idle = 0 if segment else idle + 1
            if segment:
                batch.append((number, segment))
        return batch

    def _full(self, most: int) -> list[tuple[int, TimedSegment]]:
        ready: list[int] = []

        def find() -> bool:
            ready[:] = [n for n in self._open if self._waiting(n) >= most or self._queues[n].closed]
            return bool(ready)

        self._condition.wait_for(find)
        number = ready[0]
        self._open.remove(number)
        self._open.append(number)
        taken = (self._queues[number].pop() for _ in range(most))
        return [(number, segment) for segment in taken if segment]

    def _enough(self, most: int) -> bool:
        waiting = [self._waiting(number) for number in self._open]
        return sum(waiting) >= most or all(waiting) or self._some_ended()

    def _some_ended(self) -> bool:
        return any(self._queues[number].ended for number in self._open)

    def _waiting(self, number: int) -> int:
        return len(self._queues[number])
