"""The log on standard error: one line a message, for people or as JSON, and without any password."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

from emostream.engines.redaction import one_line, without_secrets

__all__ = ["AS_IT_IS", "Logs", "speaking_of"]

AS_IT_IS = {"as_it_is": True}
"""`extra` of a message that holds a secret because it is to tell it: the address of the live page."""

_STDERR = 2
_MORE = 1 << 20  # bytes that wait where the system lets a pipe hold so many
_LAST_S = 0.2  # for what libraries wrote last

_stream: ContextVar[str | None] = ContextVar("stream", default=None)


def speaking_of(stream: str, target: Callable[[], None]) -> Callable[[], None]:
    """`target`, for a thread whose messages are all about one stream."""

    def run() -> None:
        _stream.set(stream)
        target()

    return run


class Logs:
    """The log of this process.

    As JSON, every line on standard error is an object: `time` (ISO 8601, UTC), `level`, `logger`, `message`, and where
    there is one `stream` and `exception`. Messages of other libraries' loggers, Python's warnings, and what native code
    writes to standard error become such lines too. Only when native code crashes, the place is told as plain text, as
    nothing else can be told then.
    """

    def __init__(self) -> None:
        """Log nothing yet."""
        self._log = logging.getLogger("emostream")
        self._handler: logging.Handler = logging.NullHandler()
        self._wrapping: threading.Thread | None = None
        self._real = _STDERR

    def begin(self) -> None:
        """Log lines for people."""
        for number in (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG):
            logging.addLevelName(number, logging.getLevelName(number).lower())
        self._handler = logging.StreamHandler()
        self._handler.setFormatter(_LineFormatter("emostream: %(levelname)s: %(message)s"))
        self._log.addHandler(self._handler)
        self._log.setLevel(logging.INFO)

    def be_verbose(self) -> None:
        """Log more."""
        self._log.setLevel(logging.DEBUG)

    def become_json(self) -> None:
        """Log JSON from now on, and nothing else."""
        if self._wrapping is not None:
            return
        self._log.removeHandler(self._handler)
        self._real = os.dup(_STDERR)
        out = open(self._real, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self._handler = _JsonHandler(out)
        self._handler.setFormatter(_JsonFormatter())
        logging.getLogger().addHandler(self._handler)
        logging.captureWarnings(True)
        threading.excepthook = self._note_thread
        faulthandler.enable(out)
        self._wrapping = threading.Thread(target=self._wrap, args=(self._take_stderr(),), name="stderr", daemon=True)
        self._wrapping.start()

    def end(self) -> None:
        """Give what libraries wrote to standard error last; nothing is written there as JSON afterwards."""
        if self._wrapping is not None:
            os.dup2(self._real, _STDERR)
            self._wrapping.join(_LAST_S)

    def _take_stderr(self) -> int:
        """Let what anyone writes to standard error come here."""
        reading, writing = os.pipe()
        if sys.platform == "linux":
            import fcntl

            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _MORE)
        if os.name == "posix":
            # Native code that holds the interpreter while it writes would wait for ever for a full pipe's reader.
            os.set_blocking(writing, False)
        os.dup2(writing, _STDERR)
        os.close(writing)
        return reading

    def _wrap(self, reading: int) -> None:
        with open(reading, "rb") as lines:
            for line in lines:
                if message := line.decode("utf-8", "replace").strip():
                    self._say("stderr", logging.WARNING, message)

    def _note_thread(self, failed: threading.ExceptHookArgs) -> None:
        name = failed.thread.name if failed.thread else "unknown"
        caught = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        self._say("threading", logging.ERROR, f"thread {name} ended with an exception", exc_info=caught)

    def _say(self, logger: str, level: int, message: str, **fields: object) -> None:
        record = {"name": logger, "levelno": level, "levelname": logging.getLevelName(level), "msg": message} | fields
        self._handler.handle(logging.makeLogRecord(record))


class _JsonHandler(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Be silent: a complaint on standard error would come back here as a message."""


class _LineFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return _shown(record, super().format(record))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, timezone.utc)
        fields = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _shown(record, record.getMessage()),
        }
        if (stream := _stream.get()) is not None:
            fields["stream"] = stream
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def _shown(record: logging.LogRecord, text: str) -> str:
    return text if getattr(record, "as_it_is", False) else without_secrets(text)
