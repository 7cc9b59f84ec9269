"""The ring buffer, voice activity and pooling."""

from __future__ import annotations

import numpy as np
import pytest

from emostream.engines.frontend.ring import AudioRing
from emostream.engines.frontend.voice import CHUNK_SAMPLES, SpeechTrack
from emostream.engines.pooling import Features, Pool, Pools, VideoWindow


def test_ring_keeps_the_newest_and_counts_what_arrived():
    ring = AudioRing(100)
    ring.write(np.arange(60, dtype=np.float32))
    ring.skip_to(70)
    ring.write(np.arange(70, 130, dtype=np.float32))
    samples, arrived = ring.read(50, 110)
    assert arrived == 50
    np.testing.assert_array_equal(samples, [*range(50, 60), *[0] * 10, *range(70, 110)])
    with pytest.raises(ValueError, match=r"holds \[30, 130\)"):
        ring.read(29, 40)
    with pytest.raises(ValueError, match="not in the ring"):
        ring.read(120, 131)
    ring.skip_to(1000)
    assert ring.read(900, 1000)[1] == 0
    ring.write(np.arange(250, dtype=np.float32))
    np.testing.assert_array_equal(ring.read(1150, 1250)[0], np.arange(150, 250))


class FixedDetector:
    def __init__(self, probabilities):
        self.probabilities, self.resets = list(probabilities), 0

    def process_samples(self, samples):
        assert len(samples) == CHUNK_SAMPLES
        return self.probabilities.pop(0)

    def reset(self):
        self.resets += 1


def test_speech_turns_on_at_half_and_off_below_035():
    track = SpeechTrack()
    track._detector = FixedDetector([0.4, 0.5, 0.36, 0.34, 0.4, 0.9])
    for _ in range(6):
        track.push(np.zeros(CHUNK_SAMPLES, np.float32), CHUNK_SAMPLES)
    assert track.flags(0, 6) == (False, True, True, False, False, True)
    # Chunks 1 and 2 inside [600, 2000): 1024 - 600 of the first, 512 of the second; chunk 3 is not complete.
    assert track.speech_samples(600, 2000) == 424 + 512
    track.forget(2 * CHUNK_SAMPLES + 100)
    assert track.chunks == 6
    assert track.flags(2, 6) == (True, False, False, True)


def test_missing_chunks_are_no_speech_and_start_the_detector_afresh():
    track = SpeechTrack()
    track._detector = detector = FixedDetector([0.9, 0.9])
    chunk = np.zeros(CHUNK_SAMPLES, np.float32)
    for arrived in (512, 0, 0, 1):
        track.push(chunk, arrived)
    assert track.flags(0, 4) == (True, False, False, True)
    assert detector.resets == 1


def feature(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_pool_is_the_mean():
    pool = Pool()
    with pytest.raises(ValueError, match="empty"):
        pool.mean()
    rows = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    for row in rows:
        pool.add(row)
    np.testing.assert_allclose(pool.mean(), rows.astype(np.float64).mean(axis=0), rtol=1e-6)


BOTH = Features(feature(1), feature(2), feature(3))
VOICE = Features(feature(1), None, None)
FACE = Features(None, feature(2), None)
NEITHER = Features(None, None, None)


@pytest.mark.parametrize(
    ("segments", "head"),
    [
        ([BOTH], "fused"),
        ([BOTH, VOICE], "fused"),
        ([BOTH, VOICE, VOICE], "audio"),
        ([BOTH, FACE, FACE], "video"),
        ([BOTH, NEITHER], "fused"),
        ([VOICE, FACE], "audio"),
        ([BOTH, NEITHER, NEITHER], "audio"),
        ([NEITHER], None),
        ([], None),
    ],
)
def test_the_head_of_an_utterance(segments, head):
    pools = Pools()
    for each in segments:
        pools.add(each)
    assert pools.head == head
    if head:
        np.testing.assert_array_equal(
            pools.mean(head), segments[-1].get(head) if segments[-1].get(head) is not None else BOTH.get(head)
        )


def test_video_window_forgets_after_three_seconds():
    window = VideoWindow()
    for n in range(20):
        window.add(0.3 * n, feature(n) if n % 2 else None)
    # Newest at 5.7 s; what ended at 2.7 s or before is gone: 11, 13, 15, 17, 19 remain.
    assert window.mean()[0] == pytest.approx(15.0)
