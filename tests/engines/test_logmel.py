from __future__ import annotations

import librosa
import numpy as np
import pytest

from emostream.engines.frontend import logmel
from emostream.engines.settings import SEGMENT_SAMPLES


@pytest.mark.parametrize("level", [1e-4, 1e-2, 1.0])
def test_log_mel_equals_librosa(noise, level):
    segment = level * noise[:SEGMENT_SAMPLES]
    # librosa centres the 400-sample window in its 512 points, hence 56 samples earlier.
    padded = np.concatenate([np.zeros(56, np.float32), segment, np.zeros(56, np.float32)])
    power = librosa.feature.melspectrogram(
        y=padded.astype(np.float64), sr=16_000, n_fft=512, hop_length=160, win_length=400, window="hamming",
        center=False, power=2.0, n_mels=64, fmin=20, fmax=8000, htk=True, norm=None,
    )  # fmt: skip
    expected = np.log(np.maximum(power, 1e-10))
    ours = logmel.log_mel(segment)
    assert ours.shape == (64, 64)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, atol=1e-5, rtol=1e-5)


def test_filters_equal_librosa():
    expected = librosa.filters.mel(
        sr=16_000, n_fft=512, n_mels=64, fmin=20, fmax=8000, htk=True, norm=None, dtype=np.float64
    )
    np.testing.assert_allclose(logmel.mel_filters(), expected, atol=1e-12)


def test_deltas_equal_librosa(noise):
    static = logmel.log_mel(noise[:SEGMENT_SAMPLES])
    # Savitzky-Golay of order 1 over 5 frames is the regression formula with N = 2; only the edges differ in mode.
    expected = librosa.feature.delta(static, width=5, order=1, mode="nearest")
    np.testing.assert_allclose(logmel.deltas(static), expected, atol=1e-5)
    mel = logmel.mel_input(noise[:SEGMENT_SAMPLES])
    np.testing.assert_array_equal(mel[0], static)
    np.testing.assert_allclose(mel[2], librosa.feature.delta(expected, width=5, order=1, mode="nearest"), atol=1e-5)


def test_silence_is_floored():
    assert np.all(logmel.log_mel(np.zeros(SEGMENT_SAMPLES, np.float32)) == np.float32(np.log(1e-10)))


def test_another_length_is_refused():
    with pytest.raises(ValueError, match="10480 samples"):
        logmel.log_mel(np.zeros(SEGMENT_SAMPLES - 1, np.float32))
