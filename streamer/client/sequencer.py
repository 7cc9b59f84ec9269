"""Puts what a subscriber receives in order: events, gaps, new sessions, and what to request from the replay server."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from emostream.streamer.client.replay import Answer
from emostream.streamer.client.types import Cursor, Gap, Notice, SessionStarted, describe_notice
from emostream.streamer.protocol.events import Event, ResultEvent, StatusEvent
from emostream.streamer.protocol.replay import MOST_EVENTS, REPLAY_VERSION, ReplayRequest

__all__ = ["Sequencer", "StreamPosition"]

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 8.0

_log = logging.getLogger("emostream")


class StreamPosition:
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


@dataclass(frozen=True)
class _PendingGap:
    """An event that came, and before which others are missing."""

    position: StreamPosition
    event: ResultEvent
    message: bytes


class Sequencer:
    """Follows streams; knows no sockets.

    Attributes:
        pending: what the user gets next, with its JSON.
        missed: how many events were missed, by stream.
        sessions: how many sessions were seen, by stream.
    """

    def __init__(self, cursors: Iterable[Cursor], *, replays: bool, notices: bool) -> None:
        """Follow streams from these cursors on; `replays` tells that missing events can be asked for."""
        self._positions = {each.stream: StreamPosition(each.stream, each) for each in cursors}
        self._replays, self._notices = replays, notices
        self._gap: _PendingGap | None = None
        self.pending: deque[tuple[Event | Notice, bytes]] = deque()
        self.missed: dict[str, int] = {}
        self.sessions = dict.fromkeys(self._positions, 1)

    @property
    def listening(self) -> bool:
        """Whether `take` may be called: not while events are missing that come before."""
        return self._gap is None

    @property
    def look_at(self) -> float:
        """Monotonic time from which on there is something to ask for, seconds."""
        if self._gap is not None:
            return -math.inf
        return min((position.look_at for position in self._positions.values()), default=math.inf)

    def take(self, event: Event, message: bytes) -> None:
        """Take what was published."""
        position = self._positions.setdefault(event.stream, StreamPosition(event.stream))
        if position.ahead and event.session != position.session:
            # From before what the replay server told, or from after it; the server knows.
            position.look_at = -math.inf
            return
        position.ahead = False
        self._enter(position, event.session)
        if isinstance(event, StatusEvent):
            self.pending.append((event, message))
        elif position.expected is None or event.seq == position.expected or not self._replays:
            # A subscriber that joins late has no number to expect.
            self._lose(position, event.seq)
            self._deliver(position, event, message)
        elif event.seq > position.expected:
            self._gap = _PendingGap(position, event, message)

    def wanted(self) -> ReplayRequest | None:
        """What to ask the replay server for now, if anything."""
        if not self._replays:
            return None
        if self._gap is not None:
            position = self._gap.position
            return _request(position, position.session, self._gap.event.seq)
        now = time.monotonic()
        due = [position for position in self._positions.values() if position.look_at <= now]
        return _request(due[0], None, None) if due else None

    def answer(self, request: ReplayRequest, answer: Answer | None) -> None:
        """Take what came of a request; None where it was nothing of use."""
        position, gap = self._positions[request.stream], self._gap
        before = position.expected
        if answer is None:
            position.ahead = False
        else:
            self._take_answer(position, answer, math.inf if gap is None else gap.event.seq)
        if gap is None:
            if position.expected == before:
                position.rest()
        elif position.expected in (before, gap.event.seq):
            self._gap = None
            self._lose(position, gap.event.seq)
            self._deliver(position, gap.event, gap.message)

    def _take_answer(self, position: StreamPosition, answer: Answer, end: float) -> None:
        """Deliver what was given of the numbers below `end`."""
        header = answer.header
        if header.session != position.session:
            self._enter(position, header.session)  # and ask for its beginning
            position.ahead = True
            return
        self._lose(position, int(min(header.first, end)))
        for event, message in answer.events:
            if event.seq == position.expected and event.seq < end:
                self._deliver(position, event, message)
        if position.expected is not None and position.expected < header.next:
            position.look_at = -math.inf

    def _enter(self, position: StreamPosition, session: str) -> None:
        if session != position.session:
            self.sessions[position.stream] = self.sessions.get(position.stream, 0) + 1
        started = position.enter(session)
        if started is not None:
            self._notice(started)

    def _deliver(self, position: StreamPosition, event: ResultEvent, message: bytes) -> None:
        self.pending.append((event, message))
        position.pass_by(event.seq)

    def _lose(self, position: StreamPosition, until: int) -> None:
        """What lies before number `until` and didn't come is lost."""
        expected = position.expected
        if expected is not None and until > expected:
            missed = until - expected
            self.missed[position.stream] = self.missed.get(position.stream, 0) + missed
            self._notice(Gap(position.stream, str(position.session), expected, missed))
            position.expected = until

    def _notice(self, notice: Notice) -> None:
        # A program that asked for notices reports them itself; for others the log does.
        _log.log(logging.DEBUG if self._notices else logging.WARNING, "%s", describe_notice(notice))
        if self._notices:
            self.pending.append((notice, b""))


def _request(position: StreamPosition, session: str | None, end: int | None) -> ReplayRequest:
    """Ask for what comes next in a place, as far as number `end`."""
    first = position.expected or 0
    count = MOST_EVENTS if end is None else min(MOST_EVENTS, end - first)
    return ReplayRequest(version=REPLAY_VERSION, stream=position.stream, session=session, first=first, count=count)
