"""Decoded audio of any format as mono blocks at 16 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av
import av.error
import numpy as np
import numpy.typing as npt
import soxr

from emostream.engines.settings import SAMPLE_RATE

__all__ = ["AudioBlock", "AudioUnpacker", "MonoResampler"]

_GAP_S = 0.05  # a jump of timestamps beyond this is a gap, below it rounding of the container
_LOUDEST = 1e6  # 120 dB above full scale; sound in floating point may hold anything
_BLOCK_SAMPLES = SAMPLE_RATE // 50  # 20 ms, so that a file played live arrives as finely as a microphone


@dataclass(frozen=True, eq=False)
class AudioBlock:
    """A block of audio: its first sample's time in seconds, and float32 mono samples at 16 kHz.

    `lost` says that samples were lost just before it.
    """

    t: float
    samples: npt.NDArray[np.float32]
    lost: bool = False

    @property
    def end(self) -> float:
        """Time after its last sample, in seconds."""
        return self.t + self.samples.size / SAMPLE_RATE


class MonoResampler:
    """A stream of any rate and channel count as mono at 16 kHz.

    The output is aligned with the input: output sample n belongs to input time n / 16000, and only comes later.
    """

    def __init__(self, rate: int) -> None:
        """Take `rate` samples a second."""
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def push(self, samples: npt.NDArray[np.float32], *, last: bool = False) -> npt.NDArray[np.float32]:
        """The output that float32 [n, channels] makes available; with `last`, all that is left.

        What is no number counts as silence, since one such sample would be heard for ever in the filter.
        """
        mono: npt.NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
        mono = np.nan_to_num(mono, copy=False, nan=0.0).clip(-_LOUDEST, _LOUDEST)
        if self._stream is None:
            return mono
        out: npt.NDArray[np.float32] = self._stream.resample_chunk(mono, last=last)
        return out


class AudioUnpacker:
    """Turns decoded frames of one track into blocks that follow its timestamps."""

    def __init__(self) -> None:
        """Start before the first frame."""
        # Packed: to_ndarray() of planes crashes with eight channels and more.
        self._unpack = av.AudioResampler(format="flt")
        self._form = ("", "")  # sample format and channel layout of the last frame
        self._resampler: MonoResampler | None = None
        self._rate = 0
        self._origin = 0.0  # time of the first sample since the last gap or change of rate
        self._lost = False  # a gap lies before the next block
        self._taken = self._given = 0  # samples since then, of the input and of the output

    def push(self, frame: av.AudioFrame) -> Iterator[AudioBlock]:
        """The blocks that one more frame completes."""
        expected = self._origin + self._taken / self._rate if self._rate else 0.0
        t = expected if frame.time is None else frame.time
        form = (frame.format.name, frame.layout.name)
        if form != self._form or frame.sample_rate != self._rate:
            # PyAV's resampler takes frames of one kind only; it changes the format at once, and holds nothing back.
            self._unpack, self._form = av.AudioResampler(format="flt"), form
        gap = self._resampler is None or abs(t - expected) > _GAP_S
        if self._resampler is None or gap or frame.sample_rate != self._rate:
            yield from self.flush()
            self._lost = gap and self._rate != 0
            self._resampler, self._rate = MonoResampler(frame.sample_rate), frame.sample_rate
            self._origin, self._taken, self._given = t if gap else expected, 0, 0
        try:
            parts = self._unpack.resample(frame)
        except av.error.FFmpegError:  # damage that only looks like sound; what follows lies by its own time
            return
        for part in parts:
            samples = part.to_ndarray().astype(np.float32, copy=False).reshape(-1, part.layout.nb_channels)
            self._taken += samples.shape[0]
            yield from self._blocks(self._resampler.push(samples))

    def flush(self) -> Iterator[AudioBlock]:
        """The blocks that the resampler still holds back."""
        if self._resampler is not None:
            yield from self._blocks(self._resampler.push(np.zeros((0, 1), np.float32), last=True))
            self._resampler = None

    def _blocks(self, samples: npt.NDArray[np.float32]) -> Iterator[AudioBlock]:
        for first in range(0, samples.size, _BLOCK_SAMPLES):
            block = samples[first : first + _BLOCK_SAMPLES]
            yield AudioBlock(self._origin + self._given / SAMPLE_RATE, block, self._lost)
            self._given += block.size
            self._lost = False
