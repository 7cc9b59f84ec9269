from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from emostream.engines.frontend.segmenter import Segment
from emostream.streamer.pipeline.segment_queue import SegmentQueue, TimedSegment
from emostream.streamer.protocol.events import Dropped
from emostream.streamer.queues import BoundedQueue
from emostream.streamer.threads import OwnedThread


def test_drop_oldest_counts_and_marks():
    dropped = []
    queue = BoundedQueue("x", 3, "drop_oldest", on_drop=dropped.append, mark_loss=lambda item: -item)
    for n in range(1, 6):
        assert queue.put(n)
    assert dropped == [1, -2]
    assert [queue.pop() for _ in range(4)] == [-3, 4, 5, None]


def test_block_waits_and_loses_nothing():
    queue = BoundedQueue("x", 2, "block")
    sender = threading.Thread(target=lambda: [queue.put(n) for n in range(100)] + [queue.close(end=1.5)])
    sender.start()
    got = []
    while (item := queue.get()) is not None:
        got.append(item)
        assert len(queue) <= 2
    sender.join(5)
    assert got == list(range(100))
    assert (queue.ended, queue.end) == (True, 1.5)


def test_closing_frees_a_waiting_sender_and_receiver():
    full, empty = BoundedQueue("full", 1, "block"), BoundedQueue("empty", 1, "block")
    full.put(0)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(full.put(1))),
        threading.Thread(target=lambda: results.append(empty.get())),
    ]
    for thread in threads:
        thread.start()
    full.close(discard=True)
    empty.close()
    for thread in threads:
        thread.join(5)
    assert sorted(results, key=str) == [False, None]
    assert full.ended


def timed(index: int, age: float) -> TimedSegment:
    blank = np.zeros(1, np.float32)
    segment = Segment(index, blank, blank, blank, (), None, None, 0, (True,), None, None)
    now = time.monotonic()
    return TimedSegment(segment, now - age, 0.0, now, Dropped())


def taken(queue: SegmentQueue) -> list[TimedSegment]:
    return list(iter(queue.pop, None))


def test_old_live_segments_lose_their_inputs_but_keep_their_place():
    queue = SegmentQueue(8, max_lag_s=1.0)
    for index, age in enumerate((2.0, 1.5, 0.5, 0.1)):
        queue.put(timed(index, age))
    batch = taken(queue)
    assert [t.segment.index for t in batch] == [0, 1, 2, 3]
    assert [t.stale for t in batch] == [True, True, False, False]
    assert batch[0].segment.mel is None
    assert batch[0].segment.speech == (True,)
    assert batch[3].segment.mel is not None


def test_a_crowded_live_queue_drops_the_oldest():
    queue = SegmentQueue(4, max_lag_s=1.0)
    for index in range(10):
        queue.put(timed(index, 0.0))
    assert [t.stale for t in taken(queue)] == [True] * 6 + [False] * 4


def test_recordings_wait_for_room_and_nothing_of_them_is_dropped():
    queue = SegmentQueue(4, max_lag_s=None)
    old = [replace(timed(index, 100.0), captured_at=None) for index in range(11)]
    sender = threading.Thread(target=lambda: [queue.put(item) for item in old] + [queue.close()])
    sender.start()
    got = []
    while not queue.ended:
        if segment := queue.pop():
            got.append(segment)
        assert len(queue) <= 4
    sender.join(5)
    assert got == old


def test_a_thread_hands_over_its_exception(caplog):
    failures = []
    error = RuntimeError("gone")

    def fail():
        raise error

    thread = OwnedThread("t", fail, failures.append)
    thread.start()
    thread.join(5)
    assert failures == [error]
    stuck = threading.Event()
    thread = OwnedThread("stuck", stuck.wait, failures.append)
    thread.start()
    thread.join(0.05)
    assert "thread stuck did not end" in caplog.text
    stuck.set()


@pytest.mark.parametrize("policy", ["block", "drop_oldest"])
def test_nothing_enters_a_closed_inlet(policy):
    queue = BoundedQueue("x", 2, policy)
    queue.put(1)
    queue.close()
    assert not queue.put(2)
    assert (queue.get(), queue.get()) == (1, None)
