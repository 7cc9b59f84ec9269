"""The clocks of a session: a stream's, between source timestamps, the grid and the time of day, and the wall clock.

The system's clock may be set while a session runs. A session's Unix times are monotonic times plus one offset,
which stays as it is.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from emostream.engines.frontend.placement import GridClock

__all__ = ["LiveClock", "RecordedClock", "StreamClock", "WallClock"]

# A second-order loop that follows the audio clock (Adriaensen 2005, "Using a DLL to filter time").
_BANDWIDTH_HZ = 0.1
_MAX_STEP_S = 0.5  # after a pause one block may not pull harder than this
_MAX_SKEW = 1e-3  # no sound card is further off than this

_log = logging.getLogger("emostream")

_LEAST_JUMP_S = 0.1  # below it, it is how fast the two clocks could be read, or how they are steered


class StreamClock(GridClock, Protocol):
    """Maps timestamps to the grid, and grid times to the moment of their capture."""

    def captured_at(self, grid: float) -> float | None:
        """Monotonic time at which a grid time was captured; None where nothing is captured in real time."""

    def unix(self, grid: float) -> float:
        """Unix time of a grid time."""


class RecordedClock:
    """Recordings only: timestamps are media times, and the grid begins at the earliest of them."""

    def __init__(self, t0: float, started_at: float, unix_offset: float, *, fast: bool) -> None:
        """Begin at media time `t0` s, which plays at monotonic time `started_at`."""
        self._t0, self._started_at, self._unix_offset, self._fast = t0, started_at, unix_offset, fast

    def to_grid(self, t: float) -> float:
        """See `StreamClock`."""
        return t - self._t0

    def follow(self, t: float, grid: float) -> None:
        """See `StreamClock`. Media times are exact, so there is nothing to follow."""

    def captured_at(self, grid: float) -> float | None:
        """See `StreamClock`."""
        return None if self._fast else self._started_at + grid

    def unix(self, grid: float) -> float:
        """See `StreamClock`."""
        return self._started_at + grid + self._unix_offset


class LiveClock:
    """Live sources: timestamps are monotonic times. While audio flows its sample count drives the grid.

    Between grid and monotonic time lies a straight line that follows the audio clock's offset and rate; without
    audio the line goes on at its last rate, so the grid neither steps nor repeats. One thread follows; any may ask.
    """

    def __init__(self, t0: float, unix_offset: float) -> None:
        """Begin the grid at monotonic time `t0` s."""
        self._line = (t0, 0.0, 1.0)  # a monotonic time, the grid there, and its rate; replaced at once
        self._followed = 0.0
        self._unix_offset = unix_offset

    def to_grid(self, t: float) -> float:
        """See `StreamClock`."""
        mono, grid, rate = self._line
        return grid + rate * (t - mono)

    def captured_at(self, grid: float) -> float:
        """See `StreamClock`."""
        mono, at, rate = self._line
        return mono + (grid - at) / rate

    def unix(self, grid: float) -> float:
        """See `StreamClock`."""
        return self.captured_at(grid) + self._unix_offset

    def follow(self, t: float, grid: float) -> None:
        """Take in that the sample at `grid` s was captured at monotonic time `t` s, give or take its jitter."""
        step = min(grid - self._followed, _MAX_STEP_S)  # by the sample count: times between blocks jitter
        self._followed = grid
        mono, _, rate = self._line
        if step <= 0 or t <= mono:
            return
        now = self.to_grid(t)
        error = grid - now
        omega = 2 * math.pi * _BANDWIDTH_HZ * step
        rate = min(max(rate + omega * omega * error / step, 1 - _MAX_SKEW), 1 + _MAX_SKEW)
        self._line = (t, now + math.sqrt(2) * omega * error, rate)


class WallClock:
    """Unix time by the monotonic clock, and how far the system's clock has jumped away from it.

    Attributes:
        unix_offset: Unix time minus monotonic time, in seconds, when the session began.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin now.

        Args:
            wall: the system's clock, in Unix seconds.
            monotonic: in seconds.
        """
        self._wall, self._monotonic = wall, monotonic
        self.unix_offset = wall() - monotonic()
        self._told = 0.0
        self._lock = threading.Lock()

    def jump_s(self) -> float:
        """Seconds that the system's clock is ahead of the session's just now; 0 where they agree within 0.1 s.

        A new jump is logged, once, whichever thread asks first.
        """
        apart = self._wall() - self._monotonic() - self.unix_offset
        jump = round(apart, 3) if abs(apart) >= _LEAST_JUMP_S else 0.0
        with self._lock:
            new = abs(jump - self._told) >= _LEAST_JUMP_S
            if new:
                self._told = jump
        if new:
            _log.warning(
                "the system's clock was set, or the machine slept: it is %+.1f s from the session's, whose times go on "
                "as they were; restart emostream to take it over",
                jump,
            )
        return jump
