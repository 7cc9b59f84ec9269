"""The folder of a recording and its `recording.json`, which says what the recording is."""

from __future__ import annotations

import time
from dataclasses import fields
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from emostream.engines.bundle import Bundle
from emostream.engines.errors import PublishError
from emostream.engines.files import replace_file
from emostream.engines.frontend.grid import SEGMENT_SECONDS
from emostream.engines.redaction import redacted
from emostream.streamer.config import Config, StreamConfig
from emostream.streamer.protocol.events import BundleInfo, EngineInfo

__all__ = [
    "FILE_NAME",
    "FORMAT",
    "BundleUsed",
    "Description",
    "MediaDescription",
    "StreamDescription",
    "bundle_used",
    "make_folder",
    "options_of",
    "utc",
    "write_description",
]

FILE_NAME = "recording.json"
FORMAT = 1

_TIMES = (
    "Unix seconds are those of capture. media_time is in seconds of the stream's own axis, and the end of a segment of "
    f"{SEGMENT_SECONDS} s; the axis of the media file of the same stream is this one: media_time 12.3 is at 12.3 s of "
    "the file."
)

_MODE = 0o700  # what a face and a voice show is for whoever recorded it, until they say otherwise


class MediaDescription(msgspec.Struct, kw_only=True):
    """The pictures and the sound of a stream. The numbers are null while it runs, and where it was killed.

    Attributes:
        file: beside this description.
        pictures: how many are in the file.
        pictures_dropped: how many are not, since encoding fell behind.
        sound_s: seconds of sound in it, gaps that were filled with silence among them.
        silence_s: seconds of these gaps.
        sound_dropped_ms: milliseconds of sound among them that came, but found no room.
        failure: why it ends before the session; null where it doesn't.
    """

    file: str
    pictures: int | None = None
    pictures_dropped: int | None = None
    sound_s: float | None = None
    silence_s: float | None = None
    sound_dropped_ms: float | None = None
    failure: str | None = None


class StreamDescription(msgspec.Struct, kw_only=True):
    """One stream.

    Attributes:
        name: in its events.
        session: in its events; a UUID.
        options: what it watched and heard, by the names of the command line.
        events: how many were written; null while it runs, and where it was killed.
        media: its pictures and sound; null where they were not recorded.
    """

    name: str
    session: str
    options: dict[str, Any]
    events: int | None = None
    media: MediaDescription | None = None


class BundleUsed(BundleInfo, frozen=True, kw_only=True):
    """The bundle that gave the scores."""

    labels: tuple[str, ...]


class Description(msgspec.Struct, kw_only=True):
    """A recording.

    Attributes:
        format: of this file.
        emostream: version of the program.
        started: when it began, ISO 8601, UTC.
        ended: when it ended; null while it runs, and where it was killed.
        bundle: what recognised.
        engine: what ran it; null where it never loaded.
        options: of the session, without those of its streams; what may hold a secret is left out.
        files: of the events; Parquet files come in numbers.
        events_failed: how many events could not be written.
        times: how the times belong together.
        streams: in the order of the configuration.
    """

    format: int = FORMAT
    emostream: str
    started: str
    ended: str | None = None
    bundle: BundleUsed
    engine: EngineInfo | None = None
    options: dict[str, Any]
    files: list[str]
    events_failed: int = 0
    times: str = _TIMES
    streams: list[StreamDescription]


def options_of(config: Config | StreamConfig) -> dict[str, Any]:
    """Options by their names on the command line, with addresses `redacted`, and without the streams and the keys."""
    shown: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in ("streams", "name", "keys", "verbose"):
            continue
        if isinstance(value, (str, Path)):
            value = redacted(str(value))
        shown[field.name.removesuffix("_s").replace("_", "-")] = value
    return shown


def bundle_used(bundle: Bundle) -> BundleUsed:
    """What is said of a bundle."""
    manifest = bundle.manifest
    return BundleUsed(
        name=manifest.name,
        preset=manifest.preset,
        trained=manifest.trained,
        sha256=bundle.sha256,
        labels=tuple(manifest.labels),
    )


def utc(unix: float) -> str:
    """A Unix time in ISO 8601."""
    return datetime.fromtimestamp(unix, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_description(folder: Path, description: Description) -> None:
    """Write it, at once.

    Raises:
        OSError: there is no room, or the folder can't be written.
    """
    text = msgspec.json.format(msgspec.json.encode(description), indent=2)
    replace_file(folder / FILE_NAME, text + b"\n")


def make_folder(parent: Path, started_at: float) -> Path:
    """Make the folder of a recording, named after its beginning, as in `20261128T074205Z`.

    Args:
        parent: made where it is missing.
        started_at: Unix time in seconds.

    Raises:
        PublishError: it can't be made.
    """
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started_at))
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in count(2):
            folder = parent / name
            try:
                folder.mkdir(mode=_MODE)
                return folder
            except FileExistsError:  # another session of this second
                name = f"{name[:16]}-{number}"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PublishError(
            f"can't record into {parent}: {reason}; choose a folder that you may write to with --record"
        ) from None
    raise AssertionError("counting never ends")
