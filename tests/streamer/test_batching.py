from __future__ import annotations

import threading
import time

import numpy as np

from emostream.engines.frontend.segmenter import Segment
from emostream.streamer.pipeline.batching import Batcher
from emostream.streamer.pipeline.segment_queue import SegmentQueue, TimedSegment
from emostream.streamer.protocol.events import Dropped


def timed(index: int) -> TimedSegment:
    blank = np.zeros(1, np.float32)
    segment = Segment(index, blank, blank, blank, (), None, None, 0, (), None, None)
    return TimedSegment(segment, None, 0.0, time.monotonic(), Dropped())


def queues(*counts: int, closed: bool = True) -> tuple[list[SegmentQueue], threading.Condition]:
    condition = threading.Condition()
    made = [SegmentQueue(1000, None, condition=condition) for _ in counts]
    for queue, count in zip(made, counts, strict=True):
        for index in range(count):
            queue.put(timed(index))
        if closed:
            queue.close()
    return made, condition


def indices(batch: list[tuple[int, TimedSegment]]) -> list[tuple[int, int]]:
    return [(number, segment.segment.index) for number, segment in batch]


def test_streams_take_turns_whatever_waits_for_the_others():
    made, condition = queues(9, 2, 1)
    batches = [indices(batch.segments) for batch in Batcher(made, condition).batches(4, full=False)]
    assert batches[0] == [(0, 0), (1, 0), (2, 0), (0, 1)]
    assert batches[1] == [(1, 1), (0, 2), (0, 3), (0, 4)]
    taken = [each for batch in batches for each in batch]
    for number, count in enumerate((9, 2, 1)):
        assert [index for n, index in taken if n == number] == list(range(count))


def test_each_stream_ends_once_and_after_its_last_segment():
    made, condition = queues(5, 0, 1)
    left = {0: 5, 1: 0, 2: 1}
    ended = []
    for batch in Batcher(made, condition).batches(2, full=False):
        for number, _ in batch.segments:
            assert number not in ended
            left[number] -= 1
        for number in batch.ended:
            assert left[number] == 0
        ended += batch.ended
    assert sorted(ended) == [0, 1, 2]


def test_a_stream_that_ends_is_told_while_others_go_on():
    made, condition = queues(0, 0, closed=False)
    batches = Batcher(made, condition).batches(4, full=False)
    threading.Timer(0.05, made[0].close).start()
    assert next(batches).ended == [0]
    made[1].put(timed(0))
    assert indices(next(batches).segments) == [(1, 0)]


def test_segments_that_come_together_go_together():
    made, condition = queues(0, 0, closed=False)
    batches = Batcher(made, condition).batches(4, full=False)

    def put() -> None:
        made[1].put(timed(0))
        made[0].put(timed(0))

    threading.Timer(0.05, put).start()
    assert sorted(indices(next(batches).segments)) == [(0, 0), (1, 0)]


def test_full_batches_are_of_one_stream_and_do_not_depend_on_load():
    made, condition = queues(0, 0, closed=False)

    def put(queue: SegmentQueue, count: int, pause_s: float) -> None:
        for index in range(count):
            queue.put(timed(index))
            time.sleep(pause_s)
        queue.close()

    senders = [
        threading.Thread(target=put, args=(made[0], 11, 0.002)),
        threading.Thread(target=put, args=(made[1], 6, 0)),
    ]
    for sender in senders:
        sender.start()
    batches = [indices(batch.segments) for batch in Batcher(made, condition).batches(4, full=True) if batch.segments]
    for sender in senders:
        sender.join(5)
    for number, sizes in ((0, [4, 4, 3]), (1, [4, 2])):
        own = [batch for batch in batches if batch[0][0] == number]
        assert [len(batch) for batch in own] == sizes
        assert all({n for n, _ in batch} == {number} for batch in own)
