from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from emostream.engines.settings import SAMPLE_RATE, SEGMENT_SAMPLES, SHIFT_SAMPLES
from emostream.trainer.training import sounds
from emostream.trainer.training.sounds import varied_samples

Floats = npt.NDArray[np.float32]


def rms(sound: Floats) -> float:
    return float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))


def pitch(sound: Floats) -> float:
    """The strongest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size), 1 << 17))
    return float(spectrum.argmax() * SAMPLE_RATE / (1 << 17))


def dry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room, no noise: place, speed and level alone."""
    monkeypatch.setattr(sounds, "_ROOM_SHARE", 0.0)
    monkeypatch.setattr(sounds, "_NOISE_SHARE", 0.0)


def test_variations_are_segments_that_the_generator_alone_decides(noise: Floats) -> None:
    before = noise.copy()
    varied = [varied_samples(noise, 3, np.random.default_rng(seed)) for seed in range(40)]
    for seed, sound in enumerate(varied):
        assert (sound.shape, sound.dtype) == ((SEGMENT_SAMPLES,), np.float32)
        assert np.isfinite(sound).all()
        np.testing.assert_array_equal(sound, varied_samples(noise, 3, np.random.default_rng(seed)))
    assert len({sound.tobytes() for sound in varied}) == 40
    np.testing.assert_array_equal(noise, before)


def test_levels_are_spread_over_their_range_whatever_the_recordings(noise: Floats) -> None:
    levels = [
        20 * np.log10(rms(varied_samples(noise * gain, 2, np.random.default_rng(seed))))
        for seed in range(60)
        for gain in (np.float32(0.01), np.float32(5))
    ]
    assert -45.1 < min(levels) < -40
    assert -15 < max(levels) < -10 + 0.5  # noise of a tenth of the power comes on top


@pytest.mark.parametrize("length", [1, 4000, SEGMENT_SAMPLES, SEGMENT_SAMPLES + 3 * SHIFT_SAMPLES])
def test_recordings_of_any_length_are_varied_at_both_ends(noise: Floats, length: int) -> None:
    last = max(0, (length - SEGMENT_SAMPLES) // SHIFT_SAMPLES)
    for segment in {0, last}:
        for seed in range(25):
            sound = varied_samples(noise[:length], segment, np.random.default_rng(seed))
            assert sound.shape == (SEGMENT_SAMPLES,)
            assert np.isfinite(sound).all()
            assert rms(sound) > 0


def test_a_short_recording_is_heard_whole_then_silence(noise: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    dry(monkeypatch)
    for seed in range(10):
        sound = varied_samples(noise[:4000], 0, np.random.default_rng(seed))
        heard = np.flatnonzero(sound)
        assert heard[0] < 5
        assert 4000 * np.exp(-0.1) - 2 <= heard[-1] <= 4000 * np.exp(0.1) + 2


def test_silence_stays_finite() -> None:
    silence = np.zeros(3 * SEGMENT_SAMPLES, np.float32)
    for seed in range(30):
        assert np.isfinite(varied_samples(silence, 1, np.random.default_rng(seed))).all()


def test_speed_moves_the_pitch_by_a_tenth_at_most() -> None:
    t = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    sine = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    shifts = [np.log(pitch(varied_samples(sine, 4, np.random.default_rng(seed))) / 440) for seed in range(60)]
    assert max(map(abs, shifts)) < 0.1 + 0.002
    assert min(shifts) < -0.07
    assert max(shifts) > 0.07


def test_a_segment_begins_at_most_half_a_shift_from_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    dry(monkeypatch)
    monkeypatch.setattr(sounds, "_SPEED", 0.0)
    rising = (np.arange(5 * SAMPLE_RATE) + 1).astype(np.float32)  # each sample tells its own place
    firsts = []
    for seed in range(60):
        sound = varied_samples(rising, 5, np.random.default_rng(seed)).astype(np.float64)
        firsts.append(sound[0] / (sound[-1] - sound[0]) * (SEGMENT_SAMPLES - 1) - 1)
    away = np.array(firsts) - 5 * SHIFT_SAMPLES
    assert np.abs(away).max() <= SHIFT_SAMPLES / 2 + 1
    assert away.min() < -SHIFT_SAMPLES / 4 < SHIFT_SAMPLES / 4 < away.max()


def test_a_room_lets_a_click_die_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "_ROOM_SHARE", 1.0)
    monkeypatch.setattr(sounds, "_NOISE_SHARE", 0.0)
    click = np.zeros(SEGMENT_SAMPLES + 4000, np.float32)
    click[3000] = 1.0
    for seed in range(10):
        sound = np.abs(varied_samples(click, 0, np.random.default_rng(seed)))
        at = int(sound.argmax())
        early, late = sound[at + 5 : at + 500].mean(), sound[at + 3500 : at + 4000].mean()
        assert sound[at] > 5 * early > 5 * late
        assert early > 0
        np.testing.assert_allclose(sound[: at - 2], 0, atol=1e-6 * sound[at])  # no echo before the click


def test_noise_lies_below_the_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "_ROOM_SHARE", 0.0)
    monkeypatch.setattr(sounds, "_NOISE_SHARE", 1.0)
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    sine = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    for seed in range(20):
        sound = varied_samples(sine, 1, np.random.default_rng(seed))
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size))) ** 2
        peak = int(spectrum.argmax())
        tone = spectrum[peak - 4 : peak + 5].sum()
        ratio = 10 * np.log10(tone / (spectrum.sum() - tone))
        assert 8 < ratio < 47
