"""Log-Mel windows: the 64 x 64 x 3 input of the audio network (paper, section III-A)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from emostream.engines.settings import MEL_BANDS, MEL_HOP, MEL_WINDOW, SAMPLE_RATE, SEGMENT_SAMPLES

__all__ = ["deltas", "log_mel", "mel_filters", "mel_input"]

_FFT = 512
_LOW_HZ, _HIGH_HZ = 20.0, 8000.0
_FLOOR = 1e-10
_DELTA_REACH = 2  # N of the regression formula

FloatArray = npt.NDArray[np.float32]


def mel_input(samples: FloatArray) -> FloatArray:
    """The network input `mel` of one segment.

    Args:
        samples: float32 [10480], mono, 16 kHz.

    Returns:
        float32 [3, 64 mel, 64 time]: static, delta and delta-delta log-Mel energies.
    """
    static = log_mel(samples)
    first = deltas(static)
    return np.stack([static, first, deltas(first)])


def log_mel(samples: FloatArray) -> FloatArray:
    """Natural logarithm of the Mel energies of one segment, float32 [64 mel, 64 time].

    25 ms periodic Hamming window, 10 ms hop, 512-point power spectrum, 64 triangular HTK filters from 20 to
    8000 Hz without area normalisation, floored at 1e-10.

    Raises:
        ValueError: `samples` has not the length of a segment. One length only, so that the arithmetic, and with
            it every bit of the result, never depends on how the signal was cut.
    """
    if samples.shape != (SEGMENT_SAMPLES,):
        raise ValueError(f"log-Mel takes {SEGMENT_SAMPLES} samples, got an array {samples.shape}")
    frames: npt.NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(samples, MEL_WINDOW)[::MEL_HOP]
    spectrum = np.fft.rfft(frames * _window(), _FFT)
    power = spectrum.real**2 + spectrum.imag**2
    energies = mel_filters() @ power.T
    logs: FloatArray = np.log(np.maximum(energies, _FLOOR)).astype(np.float32)
    return logs


def deltas(values: FloatArray) -> FloatArray:
    """Regression coefficients along time, N = 2, edge frames repeated.

    Args:
        values: float32 [bands, time].

    Returns:
        float32 [bands, time]: sum over n of n (c[t + n] - c[t - n]) / (2 sum of n^2).
    """
    padded = np.pad(values, ((0, 0), (_DELTA_REACH, _DELTA_REACH)), mode="edge")
    length = values.shape[1]
    total = np.zeros_like(values)
    for n in range(1, _DELTA_REACH + 1):
        later = padded[:, _DELTA_REACH + n : _DELTA_REACH + n + length]
        earlier = padded[:, _DELTA_REACH - n : _DELTA_REACH - n + length]
        total += np.float32(n) * (later - earlier)
    total /= np.float32(2 * sum(n * n for n in range(1, _DELTA_REACH + 1)))
    return total


@lru_cache(maxsize=1)
def mel_filters() -> npt.NDArray[np.float64]:
    """Triangular filters [64 mel, 257 bins] with peaks of one, equally spaced on the HTK Mel scale."""
    edges_mel = np.linspace(_hz_to_mel(_LOW_HZ), _hz_to_mel(_HIGH_HZ), MEL_BANDS + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(_FFT, 1.0 / SAMPLE_RATE)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


@lru_cache(maxsize=1)
def _window() -> npt.NDArray[np.float64]:
    return 0.54 - 0.46 * np.cos(2.0 * np.pi * np.arange(MEL_WINDOW) / MEL_WINDOW)


def _hz_to_mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))
