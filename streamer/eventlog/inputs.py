"""What a command was given: the folder of a recording, a file of events, or a clip."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from emostream.engines.errors import SourceError
from emostream.streamer.eventlog.reader import EventsFile

__all__ = ["EVENTS_SUFFIXES", "EventsSource", "events_source"]

EVENTS_SUFFIXES = (".jsonl", ".ndjson", ".json")

_EVENTS, _DESCRIPTION = "events.jsonl", "recording.json"
_MOST_BYTES = 1 << 20  # of a description
_log = logging.getLogger("emostream")


@dataclass(frozen=True)
class EventsSource:
    """Events, and what lies beside them.

    Attributes:
        file: of the events.
        description: what `recording.json` says; empty without one.
    """

    file: EventsFile
    description: dict[str, Any]

    def media(self, stream: str) -> Path | None:
        """The pictures and sound of a stream; None where they were not recorded."""
        found = self.file.path.with_name(f"{stream}.mkv")
        return found if found.is_file() else None


def events_source(given: Path) -> EventsSource | None:
    """The events of a folder or a file; None where it is a clip.

    Raises:
        SourceError: it does not exist, can't be read, or is a folder without a recording.
    """
    try:
        if given.is_dir():
            return _of_file(_recording_in(given) / _EVENTS)
        if given.suffix.lower() == ".parquet":
            raise SourceError(f"{given} is a Parquet file; give events.jsonl beside it, or the folder of the recording")
        if given.suffix.lower() in EVENTS_SUFFIXES:
            given.stat()
            return _of_file(given)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(f"{given} can't be read: {reason}") from None
    return None


def _of_file(path: Path) -> EventsSource:
    return EventsSource(EventsFile(path), _described(path.with_name(_DESCRIPTION)))


def _recording_in(folder: Path) -> Path:
    if (folder / _EVENTS).exists():
        return folder
    inside = sorted(path.parent for path in folder.glob(f"*/{_EVENTS}"))
    if not inside:
        raise SourceError(f"folder {folder} holds no recording; expected what --record made, with {_EVENTS} in it")
    if len(inside) > 1:
        _log.info("%s holds %d recordings: taking the last one, %s", folder, len(inside), inside[-1].name)
    return inside[-1]


def _described(path: Path) -> dict[str, Any]:
    """What the description says; one that is missing or damaged takes nothing from the events."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MOST_BYTES), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _log.warning("%s can't be read (%s); going on without it", path, error)
        return {}
