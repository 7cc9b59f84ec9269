"""What a process holds, once a second."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import psutil

__all__ = ["Usage", "UsageSampler"]

_EVERY_S = 1.0


@dataclass(frozen=True)
class Usage:
    """What a process held at one moment.

    Attributes:
        at: monotonic time in seconds.
        memory_mb: resident, of the process alone.
        threads: of the process.
        files: that it has open, sockets among them.
        children: processes that it has started.
    """

    at: float
    memory_mb: float
    threads: int
    files: int
    children: int


class UsageSampler(threading.Thread):
    """Notes what a process holds, until it ends."""

    def __init__(self, pid: int) -> None:
        """Watch a process."""
        super().__init__(name="usage", daemon=True)
        self.samples: list[Usage] = []
        self._process = psutil.Process(pid)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Sample until it is stopped, or the process ends."""
        try:
            while not self._stopped.wait(_EVERY_S):
                with self._process.oneshot():
                    memory = self._process.memory_info().rss / 1e6
                    threads, files = self._process.num_threads(), self._process.num_fds()
                children = len(self._process.children(recursive=True))
                self.samples.append(Usage(time.monotonic(), round(memory, 2), threads, files, children))
        except psutil.Error:
            return
