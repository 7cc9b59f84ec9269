"""Which head speaks, with which pool, and when utterances begin and end."""

from __future__ import annotations

import numpy as np
import pytest

from emostream.engines.frontend.segmenter import Segment
from emostream.engines.pooling import Features
from emostream.engines.recognizer import Scores
from emostream.streamer.pipeline.event_builder import EventBuilder, UtteranceTracker
from emostream.streamer.pipeline.segment_queue import TimedSegment
from emostream.streamer.protocol.events import Dropped, EmotionEvent, UtteranceEvent

CHUNK_S = 0.032


def test_an_utterance_ends_after_800_ms_without_speech():
    tracker = UtteranceTracker()
    # 25 chunks of silence are exactly 0.8 s.
    assert tracker.advance(0, (False, True, True) + (False,) * 24) == []
    assert tracker.current.t_start == pytest.approx(CHUNK_S)
    (ended,) = tracker.advance(27, (False,))
    assert (ended.number, ended.t_end) == (1, pytest.approx(3 * CHUNK_S))
    assert tracker.current is None
    tracker.advance(28, (True,))
    assert tracker.current.number == 2


def test_a_short_pause_does_not_end_it():
    tracker = UtteranceTracker()
    assert tracker.advance(0, (True, *(False,) * 24, True, *(False,) * 24)) == []
    assert [u.number for u in tracker.finish()] == [1]
    assert tracker.finish() == []


def score(head, feature):
    """The probability of `a` is the feature itself, so that means can be read off."""
    p = float(feature[0])
    return Scores(head, "a" if p >= 0.5 else "b", {"a": p, "b": 1 - p})


def feature(value):
    return None if value is None else np.array([value], np.float32)


class Run:
    def __init__(self):
        self.interpreter = EventBuilder(score)
        self.index = 0
        self.chunk = 0

    def step(self, *, audio=None, video=None, fused=None, speech=True, dropped=False):
        until = (self.index * 4800 + 10_480) // 512
        segment = Segment(
            index=self.index,
            samples=None,
            mel=np.zeros(1) if audio is not None else None,
            clip=np.zeros(1) if video is not None else None,
            ticks=(),
            audio_reason=None if audio is not None else "no_voice",
            video_reason=None if video is not None else "no_face",
            speech_first=self.chunk,
            speech=(speech,) * (until - self.chunk),
            box=(1, 2, 3, 4) if video is not None else None,
            frame_size=(640, 480),
        )
        timed = TimedSegment(segment, None, 1000.0 + segment.t_end, 0.0, Dropped(frames=3), dropped)
        self.index, self.chunk = self.index + 1, until
        return list(self.interpreter.interpret(timed, Features(feature(audio), feature(video), feature(fused))))


def test_pools_of_an_utterance():
    run = Run()
    (first,) = run.step(audio=0.2, video=0.4, fused=0.6)
    assert (first.head, first.label, first.scores["a"]) == ("fused", "a", pytest.approx(0.6))
    assert first.utterance.pools.fused == 1
    assert first.utterance.t_start == pytest.approx(1000.0)
    (second,) = run.step(audio=0.4)
    assert (second.head, second.scores["a"]) == ("fused", pytest.approx(0.6))
    assert (second.segment.head, second.segment.scores["a"]) == ("audio", pytest.approx(0.4))
    (third,) = run.step(audio=0.6)
    assert (third.head, third.scores["a"]) == ("audio", pytest.approx(0.4))
    assert third.reason.video == "no_face"
    assert third.utterance.pools == type(third.utterance.pools)(audio=3, video=1, fused=1)


def test_outside_utterances_video_speaks_over_three_seconds():
    run = Run()
    labels = [run.step(video=value, speech=False)[0] for value in (1.0, 0.0, 0.5)]
    assert [event.head for event in labels] == ["video"] * 3
    assert labels[2].scores["a"] == pytest.approx(0.5)
    assert all(event.utterance is None for event in labels)


def test_neither_face_nor_voice_is_no_guess():
    run = Run()
    run.step(audio=0.9, video=0.9, fused=0.9)
    (event,) = run.step(speech=False)
    assert (event.label, event.scores, event.head, event.segment, event.face) == (None, None, None, None, None)
    assert event.utterance is not None
    assert (event.reason.audio, event.reason.video) == ("no_voice", "no_face")


def test_the_utterance_event_comes_before_the_segment_that_notices_its_end():
    run = Run()
    run.step(audio=0.2)
    run.step(audio=0.4)
    found = [event for _ in range(4) for event in run.step(speech=False, video=0.7)]
    kinds = [event.type for event in found]
    assert kinds.count("utterance") == 1
    ended = next(event for event in found if isinstance(event, UtteranceEvent))
    assert (ended.id, ended.head, ended.scores["a"]) == (1, "audio", pytest.approx(0.3))
    assert ended.pools.audio == 2
    following = found[kinds.index("utterance") + 1]
    assert isinstance(following, EmotionEvent)
    assert following.utterance is None


def test_the_end_of_the_stream_ends_the_utterance():
    run = Run()
    run.step(audio=0.2)
    (ended,) = run.interpreter.finish()
    assert (ended.label, ended.segments) == ("b", 1)
    assert list(run.interpreter.finish()) == []


def test_a_dropped_segment_gives_no_event_but_its_speech_counts():
    run = Run()
    assert run.step(audio=0.2, dropped=True) == []
    (event,) = run.step(audio=0.2)
    assert (event.dropped.segments, event.dropped.frames) == (1, 3)
    assert event.utterance.id == 1
    assert event.utterance.pools.audio == 1
    assert event.utterance.t_start == pytest.approx(1000.0)
