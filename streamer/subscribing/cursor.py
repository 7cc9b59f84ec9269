"""Where a subscriber stands in a stream, to be stored and gone on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from emostream.engines.errors import ConfigError
from emostream.streamer.events import Seq, Session, Stream

__all__ = ["Cursor"]


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
