"""Faults at random moments."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.soak.server import MANNERS, FaultyServer

__all__ = ["Fault", "Faults"]

_LONGEST_S = 5.0  # of a source's misbehaviour
_WEIGHTS = (3, 4, 3)  # of sources, subscribers, the engine


@dataclass(frozen=True)
class Fault:
    """A fault: monotonic time in seconds, what failed, and how."""

    at: float
    what: str
    how: str


class Faults(threading.Thread):
    """Injects faults until it has injected enough, each kind as often as its weight says."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        servers: Mapping[str, FaultyServer],
        kill_subscriber: Callable[[], None],
        *,
        count: int,
        seconds: float,
        seed: int,
    ) -> None:
        """Prepare `count` faults at random moments of `seconds`."""
        super().__init__(name="faults", daemon=True)
        self.injected: list[Fault] = []
        self._process, self._servers, self._kill_subscriber = process, servers, kill_subscriber
        self._chance = random.Random(seed)
        self._times = sorted(self._chance.uniform(0.0, seconds) for _ in range(count))
        self._recover_at: dict[str, float] = {}
        self._kinds = {"source": self._fail_source, "subscriber": self._fail_subscriber, "engine": self._fail_engine}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End, and let every source be well."""
        self._stopped.set()
        self.join()
        for server in self._servers.values():
            server.manner = "well"

    def run(self) -> None:
        """Inject them all."""
        begun = time.monotonic()
        for due in self._times:
            while (left := begun + due - time.monotonic()) > 0 and not self._stopped.is_set():
                self._recover()
                self._stopped.wait(min(left, 0.05))
            if self._stopped.is_set() or self._process.poll() is not None:
                return
            ((what, fail),) = self._chance.choices(list(self._kinds.items()), _WEIGHTS)
            self.injected.append(Fault(time.monotonic(), what, fail()))
        while self._recover_at and not self._stopped.wait(0.05):
            self._recover()

    def _fail_source(self) -> str:
        name = self._chance.choice(sorted(self._servers))
        manner = self._chance.choice(MANNERS)
        self._servers[name].manner = manner
        self._recover_at[name] = time.monotonic() + self._chance.uniform(0.2, _LONGEST_S)
        return f"{name}: {manner}"

    def _fail_subscriber(self) -> str:
        self._kill_subscriber()
        return "closed in the middle"

    def _fail_engine(self) -> str:
        self._process.send_signal(signal.SIGUSR1)
        return "an exception"

    def _recover(self) -> None:
        for name in [name for name, at in self._recover_at.items() if time.monotonic() >= at]:
            del self._recover_at[name]
            self._servers[name].manner = "well"
