"""One run of the command `emostream` on a clip, watched from outside: its events, its processor time, its memory.

The command runs in a process of its own, at live pace, just as a user would run it. This process only subscribes,
and asks the system ten times a second what the other one uses.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from benchmarks.machine import SETTLE_S, load_average
from emostream.engines.errors import EngineError
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import EmotionEvent, Event, ResultEvent, StatusEvent

__all__ = ["Arrival", "Sample", "Session", "free_port", "run_session", "run_sessions"]

_STREAM = "benchmark"
_SAMPLE_S = 0.1
_SLICE_S = 0.25
_PATIENCE_S = 120.0  # without a message; loading for the first time compiles the networks
_END_S = 5.0  # for the command to end once it was asked to


@dataclass(frozen=True)
class Arrival:
    """An event, and the Unix time at which this process had received it."""

    event: Event
    at: float


@dataclass(frozen=True)
class Sample:
    """What the command used at one moment.

    Attributes:
        at: Unix time.
        cpu_s: processor time, user and system, since its start.
        rss: resident memory in bytes.
        high_water: the most that it ever was, by the system's own count; None where there is none.
        machine_s: processor time of the whole machine since its start, by all processes.
    """

    at: float
    cpu_s: float
    rss: int
    high_water: int | None
    machine_s: float


@dataclass(frozen=True)
class Session:
    """A stream of a run, from the start of the process to its end.

    Attributes:
        arrivals: everything received of the stream, in order.
        samples: what the whole process used, ten times a second.
        started_at: Unix time just before the process was started.
        exit_code: what it ended with.
        missed: number of events that the subscriber knows to have missed.
        sessions: number of sessions seen.
        load_average: of the machine, just before the start.
        command: with names instead of paths.
    """

    arrivals: list[Arrival]
    samples: list[Sample]
    started_at: float
    exit_code: int
    missed: int
    sessions: int
    load_average: tuple[float, float, float]
    command: str

    @property
    def emotions(self) -> list[tuple[EmotionEvent, float]]:
        """The events of segments, and when they came."""
        return [(each.event, each.at) for each in self.arrivals if isinstance(each.event, EmotionEvent)]

    @property
    def numbered(self) -> list[ResultEvent]:
        """All events that carry a number."""
        return [each.event for each in self.arrivals if not isinstance(each.event, StatusEvent)]

    @property
    def statuses(self) -> list[StatusEvent]:
        """The status events."""
        return [each.event for each in self.arrivals if isinstance(each.event, StatusEvent)]


def run_session(clip: Path, bundle: Path, engine: str, precision: str) -> Session:
    """Play a clip through `emostream`, and receive what it publishes.

    Raises:
        EngineError: it gave no event, or nothing for two minutes.
    """
    return run_sessions(clip, bundle, engine, precision, 1)[0]


def run_sessions(
    clip: Path, bundle: Path, engine: str, precision: str, streams: int, more: Sequence[str] = ()
) -> list[Session]:
    """Play a clip through so many streams of one `emostream` with `more` options, and receive what it publishes.

    Raises:
        EngineError: a stream gave no event, or all gave nothing for two minutes.
    """
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    names = [f"{_STREAM}-{number}" for number in range(streams)]
    options = ["--engine", engine, "--precision", precision, "--publish", endpoint, *more]
    shown = ["python", "-m", "emostream", "--config", "fleet.toml", "--bundle", bundle.name, *options]
    arrivals: list[Arrival] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as errors,
        Subscriber(endpoint, status=True) as subscriber,
    ):
        fleet = Path(folder) / "fleet.toml"
        tables = (f"[streams.{name}]\ninput = {json.dumps(str(clip.resolve()))}\n" for name in names)
        fleet.write_text("".join(tables), encoding="utf-8")
        arguments = [sys.executable, "-m", "emostream", "--config", str(fleet), "--bundle", str(bundle), *options]
        time.sleep(SETTLE_S)
        load = load_average()
        started_at = time.time()
        offset = started_at - time.monotonic()  # one clock for the whole session, as the publisher's is
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            with _Sampler(process.pid, offset) as sampler:
                _receive(subscriber, process, arrivals, offset)
            exit_code = process.wait(_END_S)
        finally:
            _end(process)
        heard = {each.event.stream for each in arrivals if isinstance(each.event, EmotionEvent)}
        if silent := [name for name in names if name not in heard]:
            raise EngineError(
                f"emostream ended with {exit_code} and without an event of {silent[0]}; it said: {_said(errors)}"
            )
        if exit_code:
            print(_said(errors), file=sys.stderr)
        return [
            Session(
                arrivals=[each for each in arrivals if each.event.stream == name],
                samples=sampler.samples,
                started_at=started_at,
                exit_code=exit_code,
                missed=subscriber.missed.get(name, 0),
                sessions=subscriber.sessions.get(name, 0),
                load_average=load,
                command=" ".join(shown),
            )
            for name in names
        ]


def _receive(subscriber: Subscriber, process: subprocess.Popen[bytes], arrivals: list[Arrival], offset: float) -> None:
    """Receive until the command has ended and nothing is left."""
    last = time.monotonic()
    while True:
        ended = process.poll() is not None
        try:
            event = subscriber.receive(timeout=_SLICE_S)
        except TimeoutError:
            if ended:
                return
            if time.monotonic() - last > _PATIENCE_S:
                raise EngineError(f"emostream published nothing for {_PATIENCE_S:g} s; is the machine busy?") from None
            continue
        last = time.monotonic()
        assert isinstance(event, Event)  # no notices were asked for
        arrivals.append(Arrival(event, last + offset))


class _Sampler:
    """A thread that notes what a process uses, until `with` ends or the process does."""

    def __init__(self, pid: int, offset: float) -> None:
        """Name the process; `offset` turns monotonic time into Unix time."""
        self.samples: list[Sample] = []
        self._process, self._offset = psutil.Process(pid), offset
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.samples.append(self._sample())
                self._stop.wait(_SAMPLE_S)
        except psutil.Error:
            pass  # it has ended

    def _sample(self) -> Sample:
        cpu_s, rss = 0.0, 0
        for process in self._processes():
            with process.oneshot():
                times = process.cpu_times()
                cpu_s += times.user + times.system
                rss += process.memory_info().rss
        return Sample(time.monotonic() + self._offset, cpu_s, rss, _high_water(self._process.pid), _machine_s())

    def _processes(self) -> list[psutil.Process]:
        # The python.exe of a virtual environment on Windows only starts the real one, and waits for it.
        children = self._process.children(recursive=True) if sys.platform == "win32" else []
        return [self._process, *children]


def _high_water(pid: int) -> int | None:
    """VmHWM of a process on Linux, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def _machine_s() -> float:
    times = psutil.cpu_times()
    kinds = ("user", "nice", "system", "irq", "softirq", "steal")  # not every system has them all
    return sum(float(getattr(times, kind, 0.0)) for kind in kinds)


def free_port() -> int:
    """A TCP port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave no process behind, whatever happened."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _said(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace").strip()[-2000:]
