"""Threads with an owner: named, stoppable within a bound, and never silent about the exception that ended them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["OwnedThread"]

_log = logging.getLogger("emostream")


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

    def join(self, timeout_s: float) -> None:
        """Wait for its end. One stuck in a native call is left behind, so that stopping never waits for a driver."""
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.warning("thread %s did not end within %.1f s and is left behind", self._thread.name, timeout_s)

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as error:  # noqa: BLE001 - handed to the owner, whatever it is
            self._on_failure(error)
