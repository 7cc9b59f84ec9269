"""Threads with an owner: named, stoppable within a bound, and never silent about the exception that ended them."""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Callable

__all__ = ["OwnedThread", "yield_to_others"]

_log = logging.getLogger("emostream")

_NICE = 10


class OwnedThread:
    """A daemon thread that hands its exception to its owner."""

    def __init__(self, name: str, target: Callable[[], None], on_failure: Callable[[BaseException], None]) -> None:
        """Prepare the thread; `on_failure` is called in it when `target` raises."""
        self._target, self._on_failure = target, on_failure
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait for its end for a while."""
        self._thread.join(timeout_s)

    def join(self, timeout_s: float) -> None:
        """Wait for its end. One stuck in a native call is left behind, so that stopping never waits for a driver."""
        if self._thread.ident is None:
            return
        self.wait(timeout_s)
        if self._thread.is_alive():
            _log.warning("thread %s did not end within %.1f s and is left behind", self._thread.name, timeout_s)

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as error:  # noqa: BLE001 - handed to the owner, whatever it is
            self._on_failure(error)


def yield_to_others() -> None:
    """Let the process's other threads go first on a busy processor; only Linux knows a priority for each thread."""
    if platform.system() == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
