"""Events as JSON Lines, in a file or on standard output."""

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Protocol

from engines.errors import PublishError

logger = logging.getLogger("emostream")


class JsonLinesWriter:
    """Appends messages to a file, each on its own line and unbuffered, so that it can be read at once.

    A write that fails, as on a full disk, is counted in `failures`, and logged the first time; it doesn't raise.
    """

    def __init__(self, path: str | Path) -> None:
        """Set up a writer to a file, or to standard output when `path` is "-"; `open` opens it."""
        self.failures = 0
        self._path = path
        self._sink: _Sink | None = None
        self._torn = False

    def open(self) -> None:
        """Open the file for appending.

        Raises:
            PublishError: The folder is missing, or the file can't be written.
        """
        if str(self._path) == "-":
            sys.stdout.flush()
            self._sink = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
            return
        path = Path(self._path)
        try:
            self._torn = _ends_torn(path)
            # A pipe that nobody reads must not hold up the start, nor a full one the publishing.
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
            self._sink = os.fdopen(descriptor, "ab", buffering=0)
        except OSError as error:
            raise PublishError(
                f"can't write events to {path}: {error.strerror}; choose a file in a folder that exists and that "
                "you may write to, or '-' for standard output"
            ) from error

    def write(self, message: bytes) -> None:
        """Write one line; the message itself holds no line break."""
        assert self._sink is not None, "open comes first"
        # A line that a full disk or a crash cut short must not swallow the next one.
        rest = memoryview(b"\n" * self._torn + message + b"\n")
        try:
            while rest:
                written = self._sink.write(rest)
                if not written:
                    raise OSError(errno.EAGAIN, "the output takes no more")
                self._torn = rest[written - 1] != ord("\n")
                rest = rest[written:]
        except OSError as error:
            self._count(error)

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._sink is not None and str(self._path) != "-":
            try:
                self._sink.close()
            except OSError as error:
                # A network drive may find out only now that it is full.
                self._count(error)

    def _count(self, error: OSError) -> None:
        self.failures += 1
        if self.failures == 1:
            logger.warning("can't write events to %s (%s); publishing goes on", self._path, error.strerror)


class _Sink(Protocol):
    def write(self, data: memoryview, /) -> int | None: ...
    def close(self) -> None: ...


def _ends_torn(path: Path) -> bool:
    """Tell whether a file ends inside a line."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"
