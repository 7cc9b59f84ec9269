"""A file for the user: there whole or not at all, and never in the place of another one unasked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emostream.engines.errors import PublishError
from emostream.engines.files import check_target, replacing

__all__ = ["whole_file"]

_POLL_S = 0.1
_GRACE_S = 0.8  # to end by itself; the process has 1.5 s


@contextmanager
def whole_file(target: Path, *, force: bool, stop: threading.Event) -> Iterator[Path]:
    """Where to write what becomes `target` once all went well; nothing stays of it otherwise.

    Args:
        target: the file to come.
        force: whether it may replace another one.
        stop: set by a signal, which ends the process a little later, whatever it does.

    Raises:
        ConfigError: another file has come in its place meanwhile.
        PublishError: it can't be written.
    """
    done = threading.Event()
    try:
        with replacing(target) as part:
            threading.Thread(target=_remove_when_stopped, args=(part, stop, done), name="tidy", daemon=True).start()
            yield part
            check_target(target, force=force)
    except OSError as error:
        raise PublishError(f"can't write {target}: {error.strerror}; nothing is left of it") from None
    finally:
        done.set()


def _remove_when_stopped(part: Path, stop: threading.Event, done: threading.Event) -> None:
    """Leave no half file where the process is ended in the middle of one long write."""
    while not done.wait(_POLL_S):
        if stop.is_set() and not done.wait(_GRACE_S):
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return
