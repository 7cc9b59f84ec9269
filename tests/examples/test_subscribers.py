"""The subscribers in Python, JavaScript and C print what is published, and say what they missed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from emostream.streamer.protocol.events import UtteranceEvent
from tests.examples.broadcast import EXAMPLES, Broadcast, Result, contiguous, running
from tests.programs import needed
from tests.streamer.replaying import LeakyPublisher, emotion

SHOWN = 60  # lines, more than the demo has events: it is published more than once


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The example's command, in a copy of its folder with its packages."""
    needed("node", "npm", package="Node.js 18 or newer")
    folder = tmp_path_factory.mktemp("javascript") / "example"
    shutil.copytree(EXAMPLES / "javascript", folder, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return ["node", folder / "subscribe.js"]


@pytest.fixture(scope="session")
def c_program(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The example, compiled as its first comment says; every warning is an error, and so is a wrong access."""
    needed("cc", package="a C compiler")
    source, program = EXAMPLES / "c" / "subscribe.c", tmp_path_factory.mktemp("c") / "subscribe"
    said = next(line for line in source.read_text().splitlines() if "-lzmq" in line)
    for header in ("zmq.h", "cjson/cJSON.h"):
        found = subprocess.run(
            ["cc", "-E", "-include", header, "-x", "c", "/dev/null"], capture_output=True, timeout=30, check=False
        )
        if found.returncode:
            needed(header, package="Debian's libzmq3-dev and libcjson-dev")
    words = said.split("&&")[0].strip(" *").split()
    paths = {"subscribe": str(program), "subscribe.c": str(source)}
    subprocess.run([*(paths.get(word, word) for word in words), "-Werror", "-fsanitize=address,undefined"], check=True)
    return [program]


@pytest.fixture
def subscriber(request: pytest.FixtureRequest) -> list[object]:
    """The command of the example that a test is about."""
    if request.param.endswith(".py"):
        return [sys.executable, EXAMPLES / request.param]
    command: list[object] = request.getfixturevalue(request.param)
    return command


def typed(event: Result) -> str:
    what = f"utterance {event.id}" if isinstance(event, UtteranceEvent) else event.media_time
    return f"{event.stream} {what} {event.label} {event.scores}"


def bare(event: Result) -> str:
    return f"{event.stream} {event.label} {event.scores}"


def numbered(event: Result) -> str:
    score = 0.0 if event.label is None else event.scores[event.label]
    return f"{event.stream} {event.seq} {event.label or '-'} {score:.4f}"


@pytest.mark.parametrize(
    ("subscriber", "line_of"),
    [("subscribe.py", typed), ("subscribe_bare.py", bare), ("javascript", numbered), ("c_program", numbered)],
    indirect=["subscriber"],
)
def test_what_is_published_is_printed(subscriber: list[object], line_of: Callable[[Result], str], events: list[Result]):
    with Broadcast(events) as broadcast, running(*subscriber, broadcast.endpoint) as program:
        program.wait_for(lambda: len(program.lines) >= SHOWN)
        printed = program.lines[:SHOWN]
    assert program.errors == []
    assert contiguous(printed, [line_of(event) for event in broadcast.sent])


@pytest.mark.parametrize("subscriber", ["subscribe.py", "javascript", "c_program"], indirect=True)
def test_what_was_missed_is_said(subscriber: list[object]):
    with LeakyPublisher() as publisher, running(*subscriber, publisher.endpoint, "desk") as program:
        publisher.wait_for_subscriptions()
        publisher.send(emotion(0), emotion(1))
        publisher.lose(emotion(2), emotion(3))
        publisher.send(emotion(4), emotion(0, session="two"))
        program.wait_for(lambda: sum("desk" in line for line in program.lines) >= 4)
        program.wait_for(lambda: any("missed" in line for line in (*program.lines, *program.errors)))
    said = [line.replace(":", "") for line in (*program.lines, *program.errors) if "missed" in line]
    assert said == ["desk missed 2 events"]


@pytest.mark.parametrize("example", ["subscribe.py", "robot.py"])
def test_a_wrong_endpoint_and_ctrl_c_are_no_traceback(example: str, events: list[Result]):
    command = [sys.executable, EXAMPLES / example]
    done = subprocess.run([*command, "nonsense"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("can't subscribe to 'nonsense'")
    assert len(done.stderr.splitlines()) == 1
    with Broadcast(events) as broadcast, running(*command, broadcast.endpoint) as program:
        program.wait_for(lambda: program.lines)
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(10) == 1
    assert not any(program.errors)
