from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.grid import segment_count, segment_end
from emostream.engines.frontend.logmel import mel_input
from emostream.engines.frontend.segmenter import Segmenter
from emostream.engines.settings import SAMPLE_RATE, SEGMENT_SAMPLES, SHIFT_SAMPLES


def crop(value: int) -> np.ndarray:
    return np.full((150, 110, 3), value % 256, np.uint8)


def face(n: int, fps: float = 30.0, *, there: bool = True) -> FrameFace:
    return FrameFace(n / fps, (640, 480), (1, 2, 3, 4) if there else None, crop(n) if there else None, 100.0)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    from emostream.trainer.actors.clip import Line, samples

    script = (Line("neutral", 0.8, speaking=False), Line("joy", 2.2), Line("neutral", 1.0, speaking=False))
    return samples(script, actor=1, seed=1)


def cut_all(signal: np.ndarray, frames: list[FrameFace], cuts: list[int]) -> list:
    """Segments of a signal that comes in the chunks that `cuts` makes, each cut as soon as it is complete."""
    segmenter = Segmenter(audio=True, video=True)
    bounds = [0, *sorted(cuts), signal.size]
    waiting = list(frames)
    segments = []
    for start, stop in pairwise(bounds):
        segmenter.push_audio(signal[start:stop])
        while waiting and waiting[0].t <= stop / SAMPLE_RATE:
            segmenter.push_frame(waiting.pop(0))
        while segmenter.audio_end >= segment_end(segmenter.next_index) and (
            not waiting or segmenter.video_end >= segment_end(segmenter.next_index) / SAMPLE_RATE
        ):
            segments.append(segmenter.cut())
    return segments


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 4 * SAMPLE_RATE), max_size=40))
def test_any_chunking_gives_the_same_segments(speech, cuts):
    frames = [face(n, there=n % 50 > 12) for n in range(121)]
    whole = cut_all(speech, frames, [])
    chunked = cut_all(speech, frames, cuts)
    assert len(whole) == len(chunked) == segment_count(4.0)
    for one, other in zip(whole, chunked, strict=True):
        assert (one.audio_reason, one.video_reason, one.speech) == (
            other.audio_reason,
            other.video_reason,
            other.speech,
        )
        for a, b in ((one.mel, other.mel), (one.clip, other.clip)):
            assert (a is None) == (b is None)
            assert a is None or a.tobytes() == b.tobytes()


def test_speech_is_present_and_its_mel_is_that_of_its_samples(speech):
    segments = cut_all(speech, [face(n) for n in range(121)], [])
    voiced = [s for s in segments if s.mel is not None]
    assert voiced
    for segment in voiced:
        start = segment.index * SHIFT_SAMPLES
        np.testing.assert_array_equal(segment.mel, mel_input(speech[start : start + SEGMENT_SAMPLES]))
    assert sum(len(s.speech) for s in segments) == segment_end(segments[-1].index) // 512


def test_the_clip_holds_the_middle_sixteen_ticks():
    segmenter = Segmenter(audio=False, video=True)
    for n in range(60):
        segmenter.push_frame(face(n))
    segmenter.cut()
    second = segmenter.cut()
    assert second.clip.shape == (16, 150, 110, 3)
    assert [int(image[0, 0, 0]) for image in second.clip] == list(range(9 + 2, 9 + 18))
    assert (second.audio_reason, second.video_reason, second.box) == ("off", None, (1, 2, 3, 4))


@pytest.mark.parametrize(("faces", "present"), [(10, True), (9, False), (0, False)])
def test_video_is_present_with_faces_in_half_of_the_frames(faces, present):
    segmenter = Segmenter(audio=False, video=True)
    for n in range(20):
        segmenter.push_frame(face(n, there=n < faces))
    segment = segmenter.cut()
    assert (segment.clip is not None) is present
    assert segment.video_reason == (None if present else "no_face")
    assert (segment.box is not None) is present


def test_one_frame_is_no_clip():
    segmenter = Segmenter(audio=False, video=True)
    segmenter.push_frame(face(0))
    segment = segmenter.cut()
    assert (segment.clip, segment.video_reason, segment.frame_size) == (None, "source_lost", (640, 480))


def test_missing_audio_and_video_are_said():
    segmenter = Segmenter(audio=True, video=True)
    segment = segmenter.cut()
    assert (segment.audio_reason, segment.video_reason) == ("source_lost", "source_lost")
    assert segment.frame_size is None


def test_quiet_audio_is_no_voice():
    segmenter = Segmenter(audio=True, video=False)
    segmenter.push_audio(np.zeros(SEGMENT_SAMPLES, np.float32))
    assert segmenter.cut().audio_reason == "no_voice"


@pytest.mark.parametrize(("missing", "reason"), [(1000, None), (1100, "source_lost")])
def test_ninety_percent_of_the_audio_must_arrive(speech, missing, reason):
    voiced = next(
        s.index for s in cut_all(speech, [face(n) for n in range(121)], []) if all(s.speech) and s.mel is not None
    )
    start = voiced * SHIFT_SAMPLES
    segmenter = Segmenter(audio=True, video=False)
    segmenter.push_audio(speech[: start + 4000])
    segmenter.skip_audio(start + 4000 + missing)
    segmenter.push_audio(speech[start + 4000 + missing :])
    segment = [segmenter.cut() for _ in range(voiced + 1)][-1]
    assert segment.audio_reason == reason
