"""Events as Parquet files, each whole and readable by itself.

`--output events.parquet` makes `events-20261125T140000Z-0001.parquet`, and goes on with the next number after 1000
events, or five minutes. Until then the events are in a journal beside it, `.events-20261125T140000Z-0001.jsonl`, line
by line, so that a process that is killed loses at most one; the next start makes a Parquet file of what it finds.

Who does what: the publisher's thread writes the journal, and no more. The thread "parquet" turns journals into files,
under a hidden name that it changes once everything is on the disk. The columns are those of `parquet_table`.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from emostream.engines.errors import ConfigError, EventError, PublishError
from emostream.engines.files import replacing, unfinished_files
from emostream.streamer.outputs.jsonlines import JsonLinesWriter
from emostream.streamer.protocol.events import Event, decode
from emostream.streamer.threads import yield_to_others

__all__ = ["EVENTS_PER_FILE", "SECONDS_PER_FILE", "SUFFIX", "ParquetWriter"]

SUFFIX = ".parquet"
EVENTS_PER_FILE = 1000
SECONDS_PER_FILE = 300.0

_CLOSE_S = 0.5  # for the last file
_log = logging.getLogger("emostream")


class ParquetWriter:
    """Writes events into Parquet files. The constructor opens nothing."""

    def __init__(self, path: str | Path, labels: Sequence[str]) -> None:
        """Write files beside `path`, named after it; `labels` are the columns of scores where no event has any."""
        self._path, self._labels = Path(path), labels
        self._name = self._path.name[: -len(SUFFIX)]
        self._start = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._numbers = count(1)
        self._changed = threading.Condition()
        self._journal: JsonLinesWriter | None = None  # with its file and what it holds, under `_changed`
        self._file = Path()
        self._events = 0
        self._begun = 0.0
        self._full: list[tuple[JsonLinesWriter, Path]] = []
        self._waiting: list[Path] = []
        self._failures = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="parquet", daemon=True)

    @property
    def failures(self) -> int:
        """How many events could not be written."""
        return self._failures + (self._journal.failures if self._journal else 0)

    def open(self) -> None:
        """Begin a journal, and make files of those that an earlier process left.

        Raises:
            ConfigError: pyarrow is not installed.
            PublishError: the folder is missing, or can't be written.
        """
        try:
            import pyarrow.parquet  # noqa: F401 - it takes long, and would hold up the thread's first file
        except ImportError as error:
            raise ConfigError(
                f'--output {self._path} needs pyarrow ({error}); `pip install "emostream[parquet]"` brings it, and a '
                "name that does not end in .parquet does without"
            ) from None
        name = re.compile(rf"\.{re.escape(self._name)}-\d{{8}}T\d{{6}}Z-\d+\.jsonl")
        with suppress(OSError):  # a folder that is missing is told of below
            self._waiting = sorted(file for file in self._path.parent.iterdir() if name.fullmatch(file.name))
        self._begin()
        self._thread.start()

    def write(self, message: bytes) -> None:
        """Take the JSON of one event."""
        with self._changed:
            try:
                if self._journal is None:
                    self._begin()
            except PublishError as error:
                self._failures += 1
                if self._failures == 1:
                    _log.warning("%s; publishing goes on", error)
                return
            assert self._journal is not None
            self._journal.write(message)
            self._events += 1
            if self._events == 1:
                self._begun = time.monotonic()
                self._changed.notify_all()
            if self._events >= EVENTS_PER_FILE:
                self._turn()

    def close(self) -> None:
        """Make the last file. What takes too long is left to the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_S)
            if self._thread.is_alive():
                _log.warning(
                    "the last events for %s are left in a journal; the next start makes a file of it", self._path
                )

    def _begin(self) -> None:
        """Begin a journal under a name that nobody has."""
        for number in self._numbers:
            name = f"{self._name}-{self._start}-{number:04d}"
            file = self._path.with_name(f".{name}.jsonl")
            if file.exists() or _target(file).exists():
                continue
            journal = JsonLinesWriter(file)
            journal.open()
            # Another process that just starts may have taken it for one that was left.
            if _lock(journal) and file.exists():
                self._journal, self._file, self._events = journal, file, 0
                return
            journal.close()

    def _work(self) -> None:
        from emostream.streamer.outputs.parquet_table import table_of

        yield_to_others()
        table_of([], self._labels)  # pyarrow loads pandas for its first table, where there is one
        while True:
            with self._changed:
                while not (self._full or self._closed or self._patience() == 0.0):
                    self._changed.wait(self._patience())
                closed = self._closed
                if closed or self._patience() == 0.0:
                    self._turn()
                full, self._full = self._full, []
            for journal, file in full:
                journal.close()
                self._failures += journal.failures
                self._waiting.append(file)
            # One that can't be made is tried again with the next.
            self._waiting = [file for file in self._waiting if not self._convert(file)]
            if closed:
                return

    def _turn(self) -> None:
        """Begin the next journal; whoever calls it holds `_changed`."""
        if self._journal is not None:
            self._full.append((self._journal, self._file))
        self._journal, self._events = None, 0
        if not self._closed:
            with suppress(PublishError):  # the next event tells of it
                self._begin()
        self._changed.notify_all()

    def _patience(self) -> float | None:
        """How long the journal may still grow, in seconds; None where it is empty."""
        return max(0.0, self._begun + SECONDS_PER_FILE - time.monotonic()) if self._events else None

    def _convert(self, file: Path) -> bool:
        """Make a file of a journal and remove it; False where that failed."""
        try:
            with file.open("rb") as journal:
                if _lock(journal):
                    for part in unfinished_files(file.parent, _target(file)):
                        part.unlink(missing_ok=True)
                    _write(journal, _target(file), self._labels)
                    file.unlink(missing_ok=True)
        except FileNotFoundError:
            pass  # another process has done it
        except Exception as error:  # noqa: BLE001 - whatever it is, the journal has the events
            _log.warning("%s can't be written (%s); its events stay in %s for now", _target(file), error, file)
            return False
        return True


def _write(journal: BinaryIO, target: Path, labels: Sequence[str]) -> None:
    import pyarrow.parquet as pq

    from emostream.streamer.outputs.parquet_table import table_of

    events = [event for event in map(_event, journal) if event is not None]
    if not events:
        return
    with replacing(target) as part, part.open("wb") as file:
        pq.write_table(table_of(events, labels), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _event(line: bytes) -> Event | None:
    try:
        return decode(line)
    except EventError:
        return None  # the last line of a machine that crashed


def _target(journal: Path) -> Path:
    return journal.with_name(journal.name.removeprefix(".")).with_suffix(SUFFIX)


def _lock(journal: JsonLinesWriter | BinaryIO) -> bool:
    """Keep a journal from other processes until it is closed; False where one of them has it."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
