"""Events as JSON Lines, in a file or on standard output.

Every line of a file can be read, whatever happened to whoever wrote it: a line goes out in one piece, one that a full
disk cuts short is taken back, and what a crash of the machine left of a last line is cut off when the file is opened.
A process that is killed loses at most the line that it was about to write.
"""

import errno
import logging
import os
import stat
import sys
from pathlib import Path
from typing import Protocol

from emostream.engines.errors import EventError, PublishError
from emostream.streamer.protocol.events import decode

logger = logging.getLogger("emostream")

_LONGEST = 1 << 20  # bytes; no line of ours comes near


class JsonLinesWriter:
    """Appends messages to a file, each on its own line and unbuffered, so that it can be read at once.

    A write that fails, as on a full disk, is counted in `failures`, and logged the first time; it doesn't raise.
    """

    def __init__(self, path: str | Path) -> None:
        """Set up a writer to a file, or to standard output when `path` is "-"; `open` opens it."""
        self.failures = 0
        self._path = path
        self._sink: _Sink | None = None
        self._regular = False
        self._torn = False

    def open(self) -> None:
        """Open the file for appending, and cut off the rest of a line that was never finished.

        A last line that is whole but for its line break is kept, and so is text that is none of ours.

        Raises:
            PublishError: The folder is missing, or the file can't be written.
        """
        if str(self._path) == "-":
            sys.stdout.flush()
            self._sink = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
            return
        path = Path(self._path)
        try:
            # A pipe that nobody reads must not hold up the start, nor a full one the publishing.
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
            self._sink = os.fdopen(descriptor, "ab", buffering=0)
            self._regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            if self._regular:
                self._mend(path, descriptor)
        except OSError as error:
            raise PublishError(
                f"can't write events to {path}: {error.strerror}; choose a file in a folder that exists and that "
                "you may write to, or '-' for standard output"
            ) from error

    def fileno(self) -> int:
        """The descriptor of the open file."""
        assert self._sink is not None, "open comes first"
        return self._sink.fileno()

    def write(self, message: bytes) -> None:
        """Write one line; the message itself holds no line break."""
        assert self._sink is not None, "open comes first"
        line = b"\n" * self._torn + message + b"\n"
        done = 0
        try:
            while done < len(line):
                written = self._sink.write(memoryview(line)[done:])
                if not written:
                    raise OSError(errno.EAGAIN, "the output takes no more")
                done += written
            self._torn = False
        except OSError as error:
            self._count(error)
            if done and not self._take_back(done):
                self._torn = line[done - 1] != ord("\n")

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._sink is not None and str(self._path) != "-":
            try:
                self._sink.close()
            except OSError as error:
                # A network drive may find out only now that it is full.
                self._count(error)

    def _mend(self, path: Path, descriptor: int) -> None:
        rest = _last_line(path)
        if not rest:
            return
        try:
            decode(rest)
            self._torn = True
        except EventError:
            # What a crash of the machine leaves may be zeros.
            self._torn = not (rest.startswith(b"{") or not rest.strip(b"\0"))
            if not self._torn:
                os.ftruncate(descriptor, path.stat().st_size - len(rest))
                logger.warning("%s ended in a torn line of %d bytes, which is cut off", path, len(rest))

    def _take_back(self, count: int) -> bool:
        """Cut off the last `count` bytes; False where that can't be, or somebody else has written behind them."""
        try:
            end = os.lseek(self.fileno(), 0, os.SEEK_CUR)
            if not self._regular or end != os.fstat(self.fileno()).st_size:
                return False
            os.ftruncate(self.fileno(), end - count)
        except OSError:
            return False
        return True

    def _count(self, error: OSError) -> None:
        self.failures += 1
        if self.failures == 1:
            logger.warning("can't write events to %s (%s); publishing goes on", self._path, error.strerror)


class _Sink(Protocol):
    def write(self, data: memoryview, /) -> int | None: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...


def _last_line(path: Path) -> bytes:
    """What follows the last line break, or the last piece of it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LONGEST))
        return file.read().rpartition(b"\n")[2]
