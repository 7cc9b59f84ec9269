"""The command's log on standard error, and what it says of its own failures: without any password."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from engines.redaction import without_secrets

__all__ = ["set_up_log"]


class _Lines(logging.Formatter):
    """One line a record; whoever wrote it, addresses in it are redacted, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return without_secrets(super().format(record))


def set_up_log(verbose: bool) -> None:
    """Let everything that emostream logs go to standard error; debugging only where the user asks for it."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("emostream: %(levelname)s: %(message)s"))
    for number in (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG):
        logging.addLevelName(number, logging.getLevelName(number).lower())
    log = logging.getLogger("emostream")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception that nobody expected."""
    if sys.stderr:
        sys.stderr.write(without_secrets("".join(traceback.format_exception(kind, error, trace))))
