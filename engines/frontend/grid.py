"""The grid: the stream's own time axis, in samples of 16 kHz from t0, on which segments lie.

Segment k covers samples [4800 k, 4800 k + 10480): 655 ms, one every 300 ms. Frames of video are looked at on
ticks, 30 a second; the ticks of segment k are 9 k to 9 k + 19.
"""

from __future__ import annotations

from emostream.engines.settings import GRID_FPS, SAMPLE_RATE, SEGMENT_SAMPLES, SHIFT_SAMPLES

__all__ = [
    "SEGMENT_SECONDS",
    "SEGMENT_TICKS",
    "SHIFT_SECONDS",
    "SHIFT_TICKS",
    "seconds",
    "segment_count",
    "segment_end",
    "segment_start",
    "tick_seconds",
]

SEGMENT_SECONDS = SEGMENT_SAMPLES / SAMPLE_RATE
SHIFT_SECONDS = SHIFT_SAMPLES / SAMPLE_RATE
SEGMENT_TICKS = -(-SEGMENT_SAMPLES * GRID_FPS // SAMPLE_RATE)  # ticks that start inside a segment: 20
SHIFT_TICKS, _REST = divmod(SHIFT_SAMPLES * GRID_FPS, SAMPLE_RATE)  # 9
if _REST:
    raise ValueError(f"a shift of {SHIFT_SAMPLES} samples is no whole number of video ticks; change MEL_SHIFT")


def segment_start(index: int) -> int:
    """First sample of segment `index`."""
    return index * SHIFT_SAMPLES


def segment_end(index: int) -> int:
    """Sample after the last one of segment `index`."""
    return index * SHIFT_SAMPLES + SEGMENT_SAMPLES


def segment_count(length_s: float) -> int:
    """Segments of a recording whose tracks together span `length_s` seconds: those that fit, at least one.

    Raises:
        ValueError: the length is not positive.
    """
    if length_s <= 0:
        raise ValueError(f"a recording of {length_s} s has no segments; expected a positive length")
    samples = round(length_s * SAMPLE_RATE)
    return max(1, (samples - SEGMENT_SAMPLES) // SHIFT_SAMPLES + 1)


def seconds(sample: int) -> float:
    """Grid time of a sample, in seconds."""
    return sample / SAMPLE_RATE


def tick_seconds(tick: int) -> float:
    """Grid time of a video tick, in seconds."""
    return tick / GRID_FPS
