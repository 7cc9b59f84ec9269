"""The segmenting thread on made-up sources: low frame rates, pauses, and what has come when a segment leaves."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from emostream.engines.frontend.clip import FrameFace, TickTrack, select_clip_frames
from emostream.engines.frontend.grid import segment_count
from emostream.engines.media.audio import AudioBlock
from emostream.streamer.pipeline.clock import RecordedClock
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.pipeline.segment_queue import SegmentQueue
from emostream.streamer.pipeline.segmenting import Segmenting, SegmentingOptions
from emostream.streamer.pipeline.stream_queues import StreamQueues
from emostream.streamer.queues import BoundedQueue


def face(t: float, n: int) -> FrameFace:
    return FrameFace(t, (640, 480), (1, 2, 3, 4), np.full((150, 110, 3), n % 256, np.uint8), 100.0)


def recorded(faces: list[FrameFace], end: float) -> list:
    condition = threading.Condition()
    queue: BoundedQueue[FrameFace] = BoundedQueue("faces", 1000, "block", condition=condition)
    for each in faces:
        queue.put(each)
    queue.close(end=end)
    segments = SegmentQueue(1000, None)
    clock = RecordedClock(0.0, 0.0, 0.0, fast=True)
    Segmenting(
        StreamQueues(None, None, queue, condition), segments, Meters(), SegmentingOptions(clock, 0.0, None)
    ).run()
    return [timed.segment for timed in iter(segments.pop, None)]


@pytest.mark.parametrize("fps", [6, 7.5, 9, 10, 12, 13, 15, 16, 18, 19, 20, 24, 25, 30, 60])
def test_clips_hold_the_nearest_frames_at_any_rate(fps):
    length = 6.0
    frames = [face(n / fps, n) for n in range(int(length * fps))]
    segments = recorded(frames, length)
    assert len(segments) == segment_count(length)
    ticks = TickTrack()
    for each in frames:
        ticks.push(each)
    ticks.decide_until(9 * len(segments) + 20)
    for segment in segments:
        served = [f for f in ticks.span(9 * segment.index, 9 * segment.index + 20) if f is not None]
        expected = [int(f.crop[0, 0, 0]) for f in select_clip_frames(served)]
        assert [int(image[0, 0, 0]) for image in segment.clip] == expected


def test_a_live_block_far_ahead_waits_for_the_grid():
    """After a pause of the process, one block may be stamped many seconds later than the one before."""
    condition = threading.Condition()
    queue: BoundedQueue[AudioBlock] = BoundedQueue("audio", 1000, "drop_oldest", condition=condition)
    now = time.monotonic()
    begun = now - 60.0
    for n in range(20):
        queue.put(AudioBlock(begun + 0.02 * n, np.zeros(320, np.float32)))
    queue.put(AudioBlock(now - 0.02, np.zeros(320, np.float32), lost=True))
    segments = SegmentQueue(1000, 1.0)
    options = SegmentingOptions(None, 0.0, 59.0)
    thread = threading.Thread(
        target=Segmenting(StreamQueues(queue, None, None, condition), segments, Meters(), options).run, daemon=True
    )
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    found = list(iter(segments.pop, None))
    assert [t.segment.index for t in found] == list(range(segment_count(59.0)))
    assert {t.segment.audio_reason for t in found} == {"source_lost"}
