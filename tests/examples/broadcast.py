"""What the tests of the examples share: a recording that is published again and again, and running programs."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from emostream.streamer.protocol.events import EmotionEvent, UtteranceEvent
from emostream.streamer.publishing.publisher import Publisher

EXAMPLES = Path(__file__).parents[2] / "examples"
WAIT_S = 40.0  # for a program to start on a busy machine
STEP_S = 0.02

Item = TypeVar("Item")
Result = EmotionEvent | UtteranceEvent


class Broadcast:
    """Publishes events again and again until it is left, as one session with numbers of its own."""

    def __init__(
        self, events: Sequence[Result], endpoint: str = "tcp://127.0.0.1:*", *, replay: str | None = None
    ) -> None:
        self.sent: list[Result] = []
        self._events = events
        self._stop = threading.Event()
        self._publisher = Publisher(endpoint, replay=replay, on_event=self.sent.append)
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def endpoint(self) -> str:
        return self._publisher.endpoint

    def __enter__(self) -> Broadcast:
        self._publisher.start()
        self._channel = self._publisher.channel("default", session=uuid4().hex, unix_offset=time.time())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._publisher.stop(5)

    def stop(self) -> None:
        """Publish no more; the replay goes on."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            for event in self._events:
                if self._stop.wait(STEP_S):
                    return
                self._channel.publish(event, captured_at=time.monotonic() - 0.05)


class Program:
    """A running example, and the lines that it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=_collect, args=(pipe, lines), daemon=True)
            for pipe, lines in ((process.stdout, self.lines), (process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        until = time.monotonic() + WAIT_S
        while not condition():
            assert self.process.poll() is None, self.errors
            assert time.monotonic() < until, (self.lines[-5:], self.errors)
            time.sleep(0.02)

    def end(self) -> None:
        """End it, and read the rest of its lines."""
        self.process.terminate()
        self.process.wait(10)
        for reader in self._readers:
            reader.join(10)


def _collect(pipe: Iterable[str], lines: list[str]) -> None:
    for line in pipe:
        lines.append(line.rstrip("\n"))  # noqa: PERF401 - others look while it is read


@contextmanager
def running(*command: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> Iterator[Program]:
    """A program while it runs; it is ended then."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | (env or {}),
    )
    program = Program(process)
    try:
        yield program
    finally:
        program.end()


def contiguous(part: Sequence[Item], whole: Sequence[Item]) -> bool:
    """Whether a part occurs in the whole, without a gap."""
    return any(list(part) == list(whole[n : n + len(part)]) for n in range(len(whole) - len(part) + 1))
