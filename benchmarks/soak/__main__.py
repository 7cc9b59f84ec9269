"""The command `python -m benchmarks.soak`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command import run_command, shown_command
from benchmarks.machine import Machine
from benchmarks.material import actor_clip
from benchmarks.session import free_port
from benchmarks.soak.faults import Faults
from benchmarks.soak.feeds import camera_feed, live_feed
from benchmarks.soak.listener import Listener
from benchmarks.soak.plot import plot
from benchmarks.soak.report import LARGEST_GROWTH, Delivery, Growth, SoakReport, delivery_of, growth_of, markdown
from benchmarks.soak.server import FaultyServer
from benchmarks.soak.usage import UsageSampler
from benchmarks.tables import Summary, today, write_report
from emostream.engines.errors import EmostreamError, EngineError

_HELP = """Run two streams for a while with faults at random moments, and see whether anything is lost or grows.

The first and the last tenth, at most two minutes each, are without faults. Fails if an event is lost, doubled or out of
order, if threads or open files grow, if memory does from the fifth minute of ten or more on, or if emostream does not
end when it is asked to. Writes NAME.md,
NAME.json and NAME.png. Not on Windows, which has no signal for the engine's faults.
"""

_CLIP_S = 20.0
_START_S = 60.0  # for the first events; the networks may have to be compiled
_LONGEST_CALM_S = 120.0
_EARLY_S = 300.0
_SPARE_HELD = 3  # threads and files more than early: a connection that is just being made
_END_S = 10.0
_SETTLING_S = 20.0  # for the sources to be back: the longest pause between two tries is 15 s

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _soak(
    minutes: Annotated[float, typer.Option(min=0.3, help="How long.")] = 30.0,
    faults: Annotated[int | None, typer.Option(min=1, help="How many; one in two seconds if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 1,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str, typer.Option(help="Name of the report's files.")] = "soak",
) -> None:
    calm = min(_LONGEST_CALM_S, 6.0 * minutes)
    count = faults or round((60.0 * minutes - 2 * calm) / 2.0)
    date, clip, problems = today(), actor_clip(_CLIP_S), list[str]()
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    with (
        tempfile.TemporaryDirectory() as folder,
        FaultyServer.camera(camera_feed(clip)) as camera,
        FaultyServer(live_feed(clip), "video/mp2t", "live.ts") as talk,
        (Path(folder) / "log").open("w+b") as log,
    ):
        fleet, events = Path(folder) / "fleet.toml", Path(folder) / "events.jsonl"
        fleet.write_text(
            f'[streams.camera]\ncamera = "{camera.url}"\nmic = "none"\n[streams.talk]\ninput = "{talk.url}"\n'
        )
        options = ["--config", str(fleet), "--publish", endpoint, "--output", str(events)]
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.soak.target", *options], stderr=log)
        listener, usage = Listener(endpoint), UsageSampler(process.pid)
        injecting = Faults(
            process,
            {"camera": camera, "talk": talk},
            listener.kill,
            count=count,
            seconds=60.0 * minutes - 2 * calm,
            seed=seed,
        )
        try:
            listener.start()
            _await_events(process, listener, log.name)
            begun = time.monotonic()
            usage.start()
            _pass(process, begun + calm, problems)
            injecting.start()
            _pass(process, begun + 60.0 * minutes - calm, problems)
            injecting.stop()
            _pass(process, begun + 60.0 * minutes, problems)
            ended = time.monotonic()
            usage.stop()
            process.terminate()
            try:
                exit_code = process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                exit_code = process.wait()
            ended_s = time.monotonic() - ended
            time.sleep(1.0)  # for the last events
            listener.stop()
        finally:
            process.kill()
            process.wait()
        published = [(e["stream"], e["session"], e["seq"]) for e in map(json.loads, events.read_text().splitlines())]
    first = injecting.injected[0].at if injecting.injected else ended
    last = ended - calm
    early = min(begun + _EARLY_S, begun + 10.0 * minutes)
    deliveries = delivery_of(published, listener.received)
    growths = growth_of(usage.samples, early, ended)
    problems += _problems(deliveries, growths, exit_code, minutes)
    report = SoakReport(
        benchmark="soak",
        date=date,
        command=shown_command("soak", ["--minutes", f"{minutes:g}", "--faults", str(count), "--seed", str(seed)]),
        machine=Machine.this(),
        minutes=minutes,
        faults=injecting.injected,
        deliveries=deliveries,
        growths=growths,
        before_ms=Summary.of(ms for at, ms in listener.latencies if begun <= at < first),
        during_ms=Summary.of(ms for at, ms in listener.latencies if first <= at < last),
        after_ms=Summary.of(ms for at, ms in listener.latencies if last + _SETTLING_S <= at < ended),
        exit_code=exit_code,
        ended_s=round(ended_s, 2),
        problems=problems,
        usage=usage.samples,
        latencies=[(at, ms) for at, ms in listener.latencies if at >= begun],
    )
    write_report(output, name, report, markdown(report, name), partial(plot, report))
    if problems:
        raise EmostreamError("; ".join(problems))


def _await_events(process: subprocess.Popen[bytes], listener: Listener, log: str) -> None:
    until = time.monotonic() + _START_S
    while len({stream for stream, *_ in listener.received}) < 2:
        if process.poll() is not None or time.monotonic() > until:
            raise EngineError(f"emostream gave no events of both streams; it said: {Path(log).read_text()[-2000:]}")
        time.sleep(0.1)


def _pass(process: subprocess.Popen[bytes], until: float, problems: list[str]) -> None:
    while time.monotonic() < until:
        if process.poll() is not None:
            problems.append(f"emostream ended with {process.returncode}")
            return
        time.sleep(0.1)


def _problems(deliveries: list[Delivery], growths: list[Growth], exit_code: int, minutes: float) -> list[str]:
    """What does not hold."""
    found = [
        f"stream {each.stream}: {each.lost} events lost, {each.doubled} doubled, {each.disordered} out of order"
        for each in deliveries
        if not each.whole
    ]
    if len(deliveries) != 2:
        found.append(f"{len(deliveries)} sessions, expected 2")
    for each in growths:
        if each.what == "memory_mb":
            grown = each.ratio > LARGEST_GROWTH and 60.0 * minutes >= 2 * _EARLY_S
        else:
            grown = each.late > each.early + _SPARE_HELD
        if grown:
            found.append(f"{each.what} grew from {each.early:g} to {each.late:g}")
    if exit_code:
        found.append(f"emostream ended with exit code {exit_code}")
    return found


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "soak")


if __name__ == "__main__":
    main()
