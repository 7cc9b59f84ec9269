"""What a subscriber notices between events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Gap", "Notice", "SessionStarted", "describe_notice"]


@dataclass(frozen=True)
class SessionStarted:
    """A publisher of the stream started anew; noticed once an earlier session was seen."""

    stream: str
    session: str


@dataclass(frozen=True)
class Gap:
    """Events that were published but not received: `count` of them, from number `first_missed` on."""

    stream: str
    session: str
    first_missed: int
    count: int


Notice: TypeAlias = Gap | SessionStarted


def describe_notice(notice: Notice) -> str:
    """Put a notice into a line for the log."""
    if isinstance(notice, SessionStarted):
        return f"stream {notice.stream}: session {notice.session} started"
    last = notice.first_missed + notice.count - 1
    return f"stream {notice.stream}: missed {notice.count} events, numbers {notice.first_missed} to {last}"
