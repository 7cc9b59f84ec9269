"""What a subscriber gives beside events: cursors to continue from, gaps, and new sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import msgspec

from emostream.engines.errors import ConfigError
from emostream.streamer.protocol.events import Seq, Session, Stream

__all__ = ["Cursor", "Gap", "Notice", "SessionStarted", "describe_notice"]


@dataclass(frozen=True)
class Cursor:
    """The last event of a stream that was delivered.

    Attributes:
        stream: its name.
        session: UUID of the publisher's run.
        seq: the event's number in the session.
    """

    stream: Stream
    session: Session
    seq: Seq

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Cursor:
        """Make a cursor from what `to_dict` gave.

        Raises:
            ConfigError: the fields are not those of a cursor.
        """
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{str(fields)[:80]} is no cursor: {error}; expected stream, session and seq") from None


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
