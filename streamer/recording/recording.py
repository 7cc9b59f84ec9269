"""A recording of a session: a new folder with its events, what they are, and media where they were asked for.

    20261128T074205Z/
        recording.json      what was recorded
        events.jsonl        the events of every stream, one a line
        events-...parquet   the same as tables, where pyarrow is installed
        desk.mkv            pictures, sound and events of the stream `desk`, with --record-media

The publisher's thread writes the events, as it does for `--output`. A failure is said once; recognition goes on, and
the session ends with exit code 1.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError, PublishError
from emostream.streamer.config import Config
from emostream.streamer.outputs.jsonlines import JsonLinesWriter
from emostream.streamer.outputs.parquet import ParquetWriter
from emostream.streamer.pipeline.stream import Stream
from emostream.streamer.protocol.events import EmotionEvent, Event, StatusEvent, encode
from emostream.streamer.recording.description import (
    FILE_NAME,
    Description,
    MediaDescription,
    StreamDescription,
    bundle_used,
    make_folder,
    options_of,
    utc,
    write_description,
)
from emostream.streamer.recording.media import MediaRecorder

__all__ = ["EVENTS_FILE", "SessionRecorder"]

EVENTS_FILE = "events.jsonl"

_PARQUET = "events.parquet"
_log = logging.getLogger("emostream")


class SessionRecorder:
    """Takes the events of a session. `with` makes the folder, and says what it holds once the session has ended.

    Attributes:
        folder: of this recording, once it is made.
    """

    def __init__(self, parent: Path, config: Config, bundle: Bundle, streams: Sequence[Stream]) -> None:
        """Record into a new folder inside `parent`."""
        self.folder = Path()
        self._parent, self._config, self._bundle, self._streams = parent, config, bundle, streams
        self._written = dict.fromkeys((stream.name for stream in streams), 0)
        self._outputs: list[JsonLinesWriter | ParquetWriter] = []
        self._media: dict[str, MediaRecorder] = {}
        self._described = True

    def __enter__(self) -> Self:
        """Make the folder and open its files.

        Raises:
            PublishError: that can't be done.
        """
        started_at, labels = time.time(), self._bundle.manifest.labels
        self.folder = make_folder(self._parent, started_at)
        self._description = Description(
            emostream=version("emostream"),
            started=utc(started_at),
            bundle=bundle_used(self._bundle),
            options=options_of(self._config),
            files=[EVENTS_FILE],
            streams=[
                StreamDescription(name=stream.name, session=stream.channel.session, options=options_of(stream_config))
                for stream, stream_config in zip(self._streams, self._config.streams, strict=True)
            ],
        )
        try:
            self._open(JsonLinesWriter(self.folder / EVENTS_FILE))
            try:
                self._open(ParquetWriter(self.folder / _PARQUET, labels))
                self._description.files.append("events-*.parquet")
                self._finish_earlier()
            except ConfigError:
                _log.info('no Parquet files are recorded; `pip install "emostream[parquet]"` brings what writes them')
            if self._config.record_media:
                self._watch()
            write_description(self.folder, self._description)
        except (PublishError, OSError) as error:
            self._leave_nothing()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise PublishError(f"can't record into {self.folder}: {reason}; choose another --record") from None
        what = "events, pictures and sound" if self._media else "events"
        _log.info("recording %s into %s", what, self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the files.

        Raises:
            PublishError: something could not be recorded, and the session ended well.
        """
        for media in self._media.values():
            media.close()
        if not any(self._written.values()) and not any(media.description() for media in self._media.values()):
            self._leave_nothing()
            return
        self._sum_up()
        self._describe()  # before the last Parquet file, which takes longest
        for output in self._outputs:
            output.close()
        if self._lost() != self._description.events_failed:
            self._sum_up()
            self._describe()
        if error is None and (failures := self._failures()):
            raise PublishError(f"{'; '.join(failures)}; all was published")

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        if isinstance(event, StatusEvent):
            if event.engine is not None and self._description.engine is None:
                self._description.engine = event.engine
                self._describe()
            return
        message, before = encode(event), self._outputs[0].failures
        for output in self._outputs:
            output.write(message)
        self._written[event.stream] += self._outputs[0].failures == before
        if isinstance(event, EmotionEvent) and event.stream in self._media:
            self._media[event.stream].on_event(event)

    def _open(self, output: JsonLinesWriter | ParquetWriter) -> None:
        output.open()
        self._outputs.append(output)

    def _watch(self) -> None:
        """Have pictures and sound recorded, too."""
        for stream, described in zip(self._streams, self._description.streams, strict=True):
            recorder = MediaRecorder(self.folder / f"{stream.name}.mkv", stream, wait=self._config.fast)
            recorder.start()
            stream.media_listeners.append(recorder)
            self._media[stream.name] = recorder
            described.media = MediaDescription(file=recorder.path.name)

    def _finish_earlier(self) -> None:
        """Make Parquet files of what recordings that were killed have left in their journals."""
        for folder in sorted({journal.parent for journal in self._parent.glob("*/.events-*.jsonl")} - {self.folder}):
            if (folder / FILE_NAME).exists():
                writer = ParquetWriter(folder / _PARQUET, self._bundle.manifest.labels)
                with suppress(PublishError):  # it may be on a disk that can only be read
                    writer.open()
                    writer.close()

    def _sum_up(self) -> None:
        self._description.ended = utc(time.time())
        self._description.events_failed = self._lost()
        for stream in self._description.streams:
            stream.events = self._written[stream.name]
            if stream.name in self._media:
                stream.media = self._media[stream.name].description()

    def _describe(self) -> None:
        """Write what is known by now. A failure is said once."""
        try:
            write_description(self.folder, self._description)
            self._described = True
        except OSError as error:
            if self._described:
                _log.warning("can't write %s (%s); recording goes on", self.folder / FILE_NAME, error.strerror)
            self._described = False

    def _lost(self) -> int:
        """Events that are in no file, or not in every one."""
        return max(output.failures for output in self._outputs)

    def _failures(self) -> list[str]:
        failures = []
        if lost := self._lost():
            failures.append(f"{lost} events could not be written to {self.folder}")
        failures += [f"{media.path} ends early ({media.failure})" for media in self._media.values() if media.failure]
        if not self._described:
            failures.append(f"{self.folder / FILE_NAME} could not be written")
        return failures

    def _leave_nothing(self) -> None:
        """Nothing was recorded, so there is no recording."""
        for output in self._outputs:
            output.close()
        shutil.rmtree(self.folder, ignore_errors=True)
