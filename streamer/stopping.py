"""Ends the process when a signal asks for it, at any moment from the first import to the last event."""

from __future__ import annotations

import os
import signal
import threading
import time

__all__ = ["STOPPING", "Stopping"]

# Commands of which a signal is a usual end, as of a session: what `engines` has not built, the next session builds.
_ENDED_AT_WILL = ("listen", "engines")
_SIGNALS = ("SIGINT", "SIGHUP", "SIGTERM")
_WITHIN_S = 1.5  # for a session to end by itself
_CURSOR_S = 0.1
_SHOW_CURSOR = b"\x1b[?25h"


class Stopping:
    """Ends the process when the user, the terminal or a supervisor asks for it.

    With exit code 0, unless it was to answer or to make something and has not: then with 128 and the signal's number,
    as shells have it.

    A session is told, and has 1.5 s to end by itself; where there is none yet, there is nothing to wait for.

    Python calls the handler of a signal in the main thread and between two of its own instructions, so not while a
    library loads or an engine builds. A thread therefore reads what the interpreter's C handler writes down at once.

    Attributes:
        asked: whether a signal has come.
    """

    def __init__(self) -> None:
        """Leave the signals alone until `listen`."""
        self.asked = False
        self._unfinished = False
        self._number = 0
        self._session: threading.Event | None = None
        self._lock = threading.Lock()

    def listen(self) -> None:
        """Heed signals from now on; call it in the main thread, before anything that takes time."""
        reading, writing = os.pipe()
        if os.name == "posix":
            os.set_blocking(writing, False)
        threading.Thread(target=self._watch, args=(reading,), name="signals", daemon=True).start()
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            # What nohup ignores stays ignored.
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                signal.signal(number, lambda *_: None)

    def begin(self, command: str | None) -> None:
        """What is ended from now on: a command by its name, or a session, which has none."""
        self._unfinished = command is not None and command not in _ENDED_AT_WILL

    def hand_to(self, session: threading.Event) -> None:
        """Set `session` when a signal comes, instead of leaving at once."""
        with self._lock:
            self._session = session

    @property
    def code(self) -> int:
        """Exit code of the process once a signal has come."""
        return 128 + self._number if self._unfinished else 0

    def _watch(self, reading: int) -> None:
        numbers = {getattr(signal, name, None) for name in _SIGNALS}
        while (number := os.read(reading, 1)[0]) not in numbers:
            pass
        self._number = number
        with self._lock:  # for ever, so that no session begins any more
            self.asked = True
            if self._session is not None:
                self._session.set()
                time.sleep(_WITHIN_S)
            _leave(self.code)


def _leave(code: int) -> None:
    terminal = next((descriptor for descriptor in (1, 2) if os.isatty(descriptor)), None)
    if terminal is not None:  # a progress bar hides the cursor; a terminal that is held would hold us too
        showing = threading.Thread(target=os.write, args=(terminal, _SHOW_CURSOR), daemon=True)
        showing.start()
        showing.join(_CURSOR_S)
    os._exit(code)


STOPPING = Stopping()
"""Of this process: there is one set of signals."""
