"""The system's clock, which may be set while a session runs.

A session's Unix times are monotonic times plus an offset that is fixed when it begins, so that
nothing in it ever steps. Where the system's clock is set, or the machine slept, both are apart from then on; that is
only told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["WallClock"]

_log = logging.getLogger("emostream")

_LEAST_JUMP_S = 0.1  # below it, it is how fast the two clocks could be read, or how they are steered


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
