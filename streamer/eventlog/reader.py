"""Reading a file of events, as `--output` and `--record` write them, past what is none of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from emostream.engines.errors import EventError, SourceError
from emostream.streamer.protocol.events import ResultEvent, StatusEvent, decode

__all__ = ["EventsFile", "SessionKey"]

_NEWER = "update emostream"
_LONGEST_S = 1e9  # of a stream: thirty years; what says more is damaged
_LONGEST = 1 << 20  # bytes; no line of ours comes near
_log = logging.getLogger("emostream")


class SessionKey(NamedTuple):
    """One run of one stream, whose events share an axis and a count."""

    stream: str
    session: str


class EventsFile:
    """Events in the order of the file. Iterating reads it from its beginning, again each time.

    Attributes:
        path: of the file.
        events: how many there were.
        foreign: lines that are no events, a torn last line not among them.
        torn: whether the last line was cut short.
        bytes_read: how far reading has come.
        size: of the file, in bytes.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is opened yet."""
        self.path = path
        self.events = self.foreign = self.bytes_read = self.size = 0
        self.torn = False
        self._told = False

    def __iter__(self) -> Iterator[ResultEvent]:
        """Read it.

        Raises:
            SourceError: it can't be read.
        """
        self.events = self.foreign = self.bytes_read = 0
        self.torn = False
        newer = ""
        try:
            with self.path.open("rb") as file:
                self.size = file.seek(0, 2)
                file.seek(0)
                for line in self._lines(file):
                    try:
                        event = decode(line)
                    except EventError as error:
                        self.torn = not line.endswith(b"\n")
                        self.foreign += not self.torn
                        newer = newer or ("; update emostream here" if _NEWER in str(error) else "")
                        continue
                    if isinstance(event, StatusEvent):
                        continue
                    if not 0.0 <= event.media_time <= _LONGEST_S:
                        self.foreign += 1
                        continue
                    self.events += 1
                    yield event
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            raise SourceError(
                f"the events in {self.path} can't be read: {said}; expected a file of JSON Lines"
            ) from None
        self._tell(newer)

    def sessions(self) -> Counter[SessionKey]:
        """How many events there are of each session, in the order in which they begin.

        Raises:
            SourceError: it can't be read, or holds no event.
        """
        found = Counter(SessionKey(event.stream, event.session) for event in self)
        if not found:
            skipped = f", only {self.skipped}" if self.foreign or self.torn else ""
            raise SourceError(
                f"{self.path} holds no events{skipped}; expected JSON Lines of --output or --record, or a clip"
            )
        return found

    @property
    def skipped(self) -> str:
        """What was passed over, in words; empty where nothing was."""
        foreign = f"{self.foreign} line{'s' * (self.foreign != 1)} that {'are' if self.foreign != 1 else 'is'} no event"
        return " and ".join([foreign] * bool(self.foreign) + ["a torn last line"] * self.torn)

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        while line := file.readline(_LONGEST):
            self.bytes_read += len(line)
            while not line.endswith(b"\n") and (rest := file.readline(_LONGEST)):  # longer than any line of ours
                self.bytes_read += len(rest)
                line = rest[-_LONGEST:]
            if line.strip():
                yield line

    def _tell(self, remedy: str) -> None:
        if self.skipped and not self._told:
            self._told = True
            _log.warning("%s: passed over %s%s", self.path, self.skipped, remedy)
