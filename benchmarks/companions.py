"""What runs beside a session costs, the live page and recording: `python -m benchmarks.companions`."""

from __future__ import annotations

import json
import struct
import tempfile
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated

import numpy as np
import typer
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from benchmarks.command import run_command, shown_command
from benchmarks.machine import Machine, MeasuredUnderLoad, load_average
from benchmarks.material import actor_clip, chosen_bundle
from benchmarks.session import Session, free_port, run_sessions
from benchmarks.tables import Summary, figure, markdown_table, page, today, write_report
from emostream.streamer.web.access import stored_token

__all__ = ["CompanionsReport", "Way", "main", "markdown", "measure"]

_HELP = """Measure what the live page and recording cost a session.

Plays a clip of the synthetic actor through the real command, alone and beside the page with nobody looking, the page
with a viewer, a recording, and a recording with media, in turns, with the same bundle. The viewer is in another process
and takes every picture that it is offered. Writes NAME.md and NAME.json.
"""

_ALONE, _UNSEEN, _VIEWED = "alone", "`--web`, nobody looks", "`--web`, one viewer"
_RECORD, _MEDIA = "`--record`", "`--record --record-media`"
_WAYS = (_ALONE, _UNSEEN, _VIEWED, _RECORD, _MEDIA)
_RETRY_S = 0.1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Way:
    """One way to run, over all rounds.

    Attributes:
        cpu: processor time per time while events came, for each round; 1 is one core.
        latency_ms: of all events.
        pictures: that the viewer got a second, for each round.
    """

    cpu: list[float]
    latency_ms: Summary | None
    pictures: list[float]


@dataclass(frozen=True)
class CompanionsReport(MeasuredUnderLoad):
    """All ways, and what they were measured on."""

    ways: dict[str, Way]


@app.command(help=_HELP)
def _companions(
    seconds: Annotated[float, typer.Option(min=5.0, max=600.0, help="Length of the clip.")] = 30.0,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="How often each way is run.")] = 3,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str, typer.Option(help="Name of the report's files.")] = "companions",
) -> None:
    options = ["--seconds", f"{seconds:g}", "--rounds", str(rounds)]
    result = measure(seconds, rounds, command=shown_command("companions", options))
    write_report(output, name, result, markdown(result))


def measure(seconds: float, rounds: int, *, command: str) -> CompanionsReport:
    """Run every way in turns.

    Args:
        seconds: length of the clip.
        rounds: how often each way is run.
        command: what the report says was run.

    Raises:
        EmostreamError: a session gave no events.
    """
    clip, (bundle, _) = actor_clip(seconds), chosen_bundle(None, None)
    load, date = load_average(), today()
    cpu: dict[str, list[float]] = {way: [] for way in _WAYS}
    pictures: dict[str, list[float]] = {way: [] for way in _WAYS}
    latencies: dict[str, list[float]] = {way: [] for way in _WAYS}
    for number in range(rounds):
        for way in _WAYS:
            print(f"round {number + 1} of {rounds}: {way} ...", flush=True)
            address = f"127.0.0.1:{free_port()}"
            viewer = _Viewer(address)
            looking: AbstractContextManager[object] = viewer if way == _VIEWED else nullcontext()
            with looking, tempfile.TemporaryDirectory() as folder:
                (session,) = run_sessions(clip, bundle, "auto", "auto", 1, _options(way, address, folder))
            used, lasted = _used(session)
            cpu[way].append(round(used / lasted, 4))
            latencies[way] += [event.latency_ms for event, _ in session.emotions if event.latency_ms is not None]
            if way == _VIEWED:
                pictures[way].append(round(viewer.pictures / lasted, 2))
    ways = {way: Way(cpu[way], Summary.of(latencies[way]), pictures[way]) for way in _WAYS}
    return CompanionsReport("companions", date, command, Machine.this(), load, ways)


def markdown(report: CompanionsReport) -> str:
    """The report as text."""
    rows = [
        (
            way,
            ", ".join(f"{100 * share:.1f}" for share in each.cpu),
            *(("-",) * 3 if (ms := each.latency_ms) is None else (figure(ms.p50), figure(ms.p99), str(ms.count))),
            ", ".join(f"{rate:.1f}" for rate in each.pictures) or "-",
        )
        for way, each in report.ways.items()
    ]
    head = ("way", "processor, % of a core", "p50, ms", "p99, ms", "events", "pictures a second")
    parts = [
        "# What runs beside a session costs",
        "One stream of 640 x 480 at 30 fps with sound, live; one figure for each round.",
        markdown_table(head, rows),
        "## What was run",
        markdown_table(("what", "value"), report.setting()),
    ]
    return page(parts)


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "companions")


def _options(way: str, address: str, folder: str) -> list[str]:
    if way in (_UNSEEN, _VIEWED):
        return ["--web", address]
    record = ["--record", folder] if way in (_RECORD, _MEDIA) else []
    return [*record, "--record-media"] if way == _MEDIA else record


def _used(session: Session) -> tuple[float, float]:
    """Processor time and time, in seconds, from the first event to the last."""
    begun, ended = session.emotions[0][1], session.emotions[-1][1]
    times = [sample.at for sample in session.samples]
    before, after = np.interp((begun, ended), times, [sample.cpu_s for sample in session.samples]).tolist()
    return after - before, ended - begun


class _Viewer:
    """Looks at the page in a thread from the moment it is there, until the session ends."""

    def __init__(self, address: str) -> None:
        self.pictures = 0
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)

    def __enter__(self) -> _Viewer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_RETRY_S):
            with suppress(OSError, ConnectionClosed):
                self._look()

    def _look(self) -> None:
        protocols = [Subprotocol("emostream.v1"), Subprotocol(f"token.{stored_token()}")]
        origin = Origin(f"http://{self._address}")
        with connect(f"ws://{self._address}/live", origin=origin, subprotocols=protocols, max_size=None) as socket:
            socket.send('{"look": true}')
            for message in socket:
                if isinstance(message, bytes):
                    self.pictures += 1
                    (length,) = struct.unpack_from("<I", message)
                    about = json.loads(message[4 : 4 + length])
                    socket.send(json.dumps({"shown": about["number"], "stream": about["stream"]}))


if __name__ == "__main__":
    main()
