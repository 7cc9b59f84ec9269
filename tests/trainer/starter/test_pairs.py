from __future__ import annotations

import numpy as np

from emostream.trainer.starter.pairs import (
    FacePool,
    SegmentPairs,
    as_strangers,
    draw_faces,
    draw_other_faces,
    draw_silent,
    segment_pairs,
)

RNG = np.random.default_rng(0)
COUNT = 70
POOL = FacePool(
    features=RNG.standard_normal((COUNT, 4)).astype(np.float32),
    labels=np.arange(COUNT) % 7,
)
VOICES = np.arange(200) % 7


def test_every_voice_gets_a_face_of_its_label() -> None:
    chosen = draw_faces(VOICES, POOL, np.random.default_rng(1))
    assert (POOL.labels[chosen] == VOICES).all()
    assert len(np.unique(chosen)) > 40


def test_other_faces_have_every_other_label() -> None:
    chosen = draw_other_faces(VOICES, POOL, np.random.default_rng(1))
    assert (POOL.labels[chosen] != VOICES).all()
    assert {(int(v), int(f)) for v, f in zip(VOICES, POOL.labels[chosen], strict=True)} > {(0, 1), (0, 6), (6, 0)}


def test_pairs_agree_contradict_or_lack_a_half() -> None:
    audio = RNG.standard_normal((200, 3)).astype(np.float32)
    pairs = segment_pairs(audio, VOICES, POOL, 2, np.random.default_rng(2))
    voices = {tuple(row): label for row, label in zip(audio.tolist(), VOICES.tolist(), strict=True)}
    faces = {tuple(row): label for row, label in zip(POOL.features.tolist(), POOL.labels.tolist(), strict=True)}
    kinds = {"agreeing": 0, "contradicting": 0, "no voice": 0, "no face": 0}
    for heard, seen, label in zip(pairs.audio.tolist(), pairs.video.tolist(), pairs.labels.tolist(), strict=True):
        voice, face = voices.get(tuple(heard)), faces.get(tuple(seen))
        assert label in (voice, face)
        if voice is None:
            np.testing.assert_allclose(heard, audio.mean(axis=0), atol=1e-6)
            kinds["no voice"] += 1
        elif face is None:
            np.testing.assert_allclose(seen, POOL.features.mean(axis=0), atol=1e-6)
            kinds["no face"] += 1
        else:
            kinds["agreeing" if voice == face else "contradicting"] += 1
    assert len(pairs.labels) == 400 + 60
    assert kinds["contradicting"] == 60
    assert 60 < kinds["no voice"] < 140
    assert 60 < kinds["no face"] < 140


def test_either_label_of_a_contradiction_is_right_as_often() -> None:
    audio = np.arange(2000, dtype=np.float32)[:, None]
    labels = np.arange(2000) % 7
    pairs = segment_pairs(audio, labels, POOL, 1, np.random.default_rng(3))
    contradicting = slice(2000, None)
    voice = labels[pairs.audio[contradicting, 0].astype(int)]
    assert 0.4 < (pairs.labels[contradicting] == voice).mean() < 0.6


def test_never_are_both_halves_silent() -> None:
    voices, faces = draw_silent(4000, np.random.default_rng(4))
    assert not (voices & faces).any()
    assert 0.22 < voices.mean() < 0.28
    assert 0.22 < faces.mean() < 0.28


def test_strangers_stray_by_the_spread_of_each_unit() -> None:
    spread = np.array([0.0, 1.0, 10.0], np.float32)
    known = RNG.standard_normal((5000, 3)).astype(np.float32) * spread
    strayed = as_strangers(SegmentPairs(known, known[:, ::-1], np.zeros(5000, int)), np.random.default_rng(5))
    np.testing.assert_allclose((strayed.audio - known).std(axis=0), spread, rtol=0.05)
    np.testing.assert_allclose((strayed.video - known[:, ::-1]).std(axis=0), spread[::-1], rtol=0.05)
    assert strayed.audio.dtype == strayed.video.dtype == np.float32
