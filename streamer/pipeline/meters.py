"""Counters, rates and levels of one session, written by its threads and read by status and the terminal."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.protocol.events import Dropped, Losses

__all__ = ["Levels", "Meters", "Rate"]

_WINDOW_S = 3.0
_LEVEL_S = 1.0
_KEPT_TIMES = 1000


class Rate:
    """How much of something came per second, over the last three seconds.

    Attributes:
        total: how much of it came at all.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.total = 0.0
        self._items: deque[tuple[float, float]] = deque()
        self._since = time.monotonic()
        self._lock = threading.Lock()

    def add(self, amount: float = 1.0) -> None:
        """Count `amount` at this moment."""
        with self._lock:
            self.total += amount
            self._items.append((time.monotonic(), amount))
            self._forget()

    def per_second(self) -> float:
        """The rate just now."""
        with self._lock:
            self._forget()
            span = min(_WINDOW_S, max(time.monotonic() - self._since, 1e-3))
            return sum(amount for _, amount in self._items) / span

    def _forget(self) -> None:
        oldest = time.monotonic() - _WINDOW_S
        while self._items and self._items[0][0] < oldest:
            self._items.popleft()


@dataclass
class Levels:
    """What the sources pick up just now; None before anything came."""

    brightness: float | None = None
    face: bool | None = None
    speech: bool | None = None
    _squares: deque[tuple[float, int]] = field(default_factory=deque)

    def hear(self, samples: npt.NDArray[np.float32]) -> None:
        """Take a block of audio at 16 kHz into the level."""
        self._squares.append((float(np.square(samples, dtype=np.float64).sum()), samples.size))
        while sum(count for _, count in self._squares) > _LEVEL_S * SAMPLE_RATE:
            self._squares.popleft()

    @property
    def audio_dbfs(self) -> float | None:
        """Level of the last second in dB of full scale; -200 for digital silence, None before any audio."""
        squares = list(self._squares)
        count = sum(count for _, count in squares)
        if not count:
            return None
        return 10.0 * math.log10(max(sum(total for total, _ in squares) / count, 1e-20))


class Meters:
    """Everything that is counted. Each figure has one writing thread; readers get it as it stands."""

    def __init__(self) -> None:
        """Start at zero."""
        self.frames, self.faces, self.audio_s, self.segments = Rate(), Rate(), Rate(), Rate()
        self.levels = Levels()
        self.dropped_samples = 0
        self.engine_retries = 0
        self._losses = Losses()
        self._dropped_frames = self._dropped_segments = 0
        self._spent: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT_TIMES))
        self._lock = threading.Lock()

    def spend(self, stage: str, seconds: float) -> None:
        """Note the time that a stage took for one item."""
        with self._lock:
            self._spent[stage].append(seconds)

    def drop_frame(self) -> None:
        """Count a frame that was dropped, by whichever thread."""
        with self._lock:
            self._dropped_frames += 1

    def drop_segment(self) -> None:
        """Count a segment that was dropped."""
        with self._lock:
            self._dropped_segments += 1

    def retry_engine(self) -> None:
        """Count a batch with segments of this stream for which the engine was asked a second time."""
        self.engine_retries += 1

    def lose(self, modality: Literal["audio", "video"]) -> None:
        """Count a loss of a source."""
        with self._lock:
            self._losses = replace(self._losses, **{modality: getattr(self._losses, modality) + 1})

    def losses(self) -> Losses:
        """How often each source was lost."""
        return self._losses

    def dropped(self) -> Dropped:
        """What was lost since the start of the session."""
        return Dropped(
            segments=self._dropped_segments,
            frames=self._dropped_frames,
            audio_ms=round(1000.0 * self.dropped_samples / SAMPLE_RATE, 1),
        )

    def stages_ms(self) -> dict[str, float]:
        """Mean time of each stage over its last thousand items, in milliseconds."""
        with self._lock:
            return {stage: round(1000.0 * sum(times) / len(times), 3) for stage, times in self._spent.items()}
