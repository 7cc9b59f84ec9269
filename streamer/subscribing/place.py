"""Where a subscriber stands in one stream."""

from __future__ import annotations

import math
import time

from emostream.streamer.subscribing.cursor import Cursor
from emostream.streamer.subscribing.notices import SessionStarted

__all__ = ["Place"]

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 8.0


class Place:
    """The session of a stream and the number that comes next, and when to ask whether there is more.

    Attributes:
        stream: its name.
        session: the one that events come from; None before the first.
        expected: number of the next event; None where any will do, since the subscriber joined late.
        ahead: whether the session was told by the replay server, and nothing that was published has shown it yet.
        look_at: monotonic time from which on the replay server is asked, as nothing came by itself; seconds.
    """

    def __init__(self, stream: str, cursor: Cursor | None = None) -> None:
        """Stand behind a cursor, where events are due at once, or nowhere yet."""
        self.stream = stream
        self.session = cursor.session if cursor else None
        self.expected = cursor.seq + 1 if cursor else None
        self.ahead = False
        self.look_at = -math.inf if cursor else math.inf
        self._pause_s = _FIRST_PAUSE_S

    def enter(self, session: str) -> SessionStarted | None:
        """Go to the session that something came from, and tell if it displaces an earlier one."""
        before, self.session = self.session, session
        if before in (None, session):
            return None
        self.expected = 0
        self.look_at = -math.inf
        return SessionStarted(self.stream, session)

    def pass_by(self, seq: int) -> None:
        """Event number `seq` is behind us."""
        self.expected = seq + 1
        self._pause_s = _FIRST_PAUSE_S
        self.look_at = time.monotonic() + self._pause_s

    def rest(self) -> None:
        """There was no more just now; look again later, and less and less often."""
        self.look_at = time.monotonic() + self._pause_s
        self._pause_s = min(2.0 * self._pause_s, _LONGEST_PAUSE_S)
