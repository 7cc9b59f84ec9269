"""A recording's sound varied at random: another place, speed, room, noise, microphone level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emostream.engines.settings import SAMPLE_RATE, SEGMENT_SAMPLES, SHIFT_SAMPLES

__all__ = ["varied_samples"]

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

_SPEED = 0.1  # of the logarithm: pitch, formants and tempo move together
_ROOM_SHARE, _ROOM_S, _DECAY_S, _ECHO = 0.1, 0.25, (0.02, 0.12), (0.05, 0.5)
_NOISE_SHARE, _NOISE_DB, _TILT = 0.3, (10.0, 45.0), (0.0, 1.2)
_LEVEL_DB = (-45.0, -10.0)  # of the segment, where 0 is a full sine's peak as root mean square
_FFT = 1 << 14  # a segment and a room's echo fit in
_QUIET = 1e-6


def varied_samples(samples: Floats, segment: int, rng: Rng) -> Floats:
    """The sound of a segment as another microphone might have heard it.

    It begins up to half a shift earlier or later, so that a recording gives more than its few segments of the grid.

    Args:
        samples: of the recording, float32 [N], 16 kHz.
        segment: which of its segments.
        rng: of the variation.

    Returns:
        float32 [10480].
    """
    step = float(np.exp(rng.uniform(-_SPEED, _SPEED)))
    needed = int(np.ceil(SEGMENT_SAMPLES * step)) + 2
    start = segment * SHIFT_SAMPLES + int(rng.integers(-SHIFT_SAMPLES // 2, SHIFT_SAMPLES // 2 + 1))
    start = int(np.clip(start, 0, max(0, samples.size - needed)))
    source = samples[start : start + needed]
    source = np.pad(source, (0, needed - source.size))
    varied = np.interp(np.arange(SEGMENT_SAMPLES) * step, np.arange(needed), source)
    if rng.random() < _ROOM_SHARE:
        varied = _in_a_room(varied, rng)
    level = float(np.sqrt(np.mean(varied**2))) + _QUIET
    if rng.random() < _NOISE_SHARE:
        varied = varied + _noise(rng) * level * 10 ** (-rng.uniform(*_NOISE_DB) / 20)
    return np.asarray(varied / level * 10 ** (rng.uniform(*_LEVEL_DB) / 20), np.float32)


def _in_a_room(sound: npt.NDArray[np.float64], rng: Rng) -> npt.NDArray[np.float64]:
    """With an echo of noise that dies away exponentially."""
    t = np.arange(int(_ROOM_S * SAMPLE_RATE)) / SAMPLE_RATE
    echo = rng.standard_normal(t.size) * np.exp(-t / rng.uniform(*_DECAY_S))
    echo *= rng.uniform(*_ECHO) / np.sqrt(np.sum(echo**2))
    echo[0] = 1.0
    return np.asarray(np.fft.irfft(np.fft.rfft(sound, _FFT) * np.fft.rfft(echo, _FFT), _FFT)[: sound.size])


def _noise(rng: Rng) -> npt.NDArray[np.float64]:
    """Noise from white to a little darker than pink, of deviation 1, float64 [10480]."""
    spectrum = np.fft.rfft(rng.standard_normal(SEGMENT_SAMPLES))
    spectrum *= np.maximum(np.arange(spectrum.size), 3.0) ** -rng.uniform(*_TILT)
    noise = np.fft.irfft(spectrum, SEGMENT_SAMPLES)
    return np.asarray(noise / noise.std())
