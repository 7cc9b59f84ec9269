"""The lamp gets the colours of what is published: over HTTP as WLED takes them, over a serial line, or as text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from emostream.streamer.protocol.events import EmotionEvent
from tests.examples.broadcast import EXAMPLES, Broadcast, Result, contiguous, running

LAMP = EXAMPLES / "lamp.py"
SHOWN = 40

# Written down anew: what the example's table says, in the order of the starter's labels.
COLOURS = {
    "anger": "ff1400", "disgust": "50a000", "fear": "8200ff", "joy": "ffbe00", "sadness": "003cff",
    "surprise": "ff00a0", "neutral": "ffdcb4",
}  # fmt: skip


def colours(events: Sequence[Result]) -> list[np.ndarray]:
    """The colour after each segment."""
    found = []
    for event in events:
        if isinstance(event, EmotionEvent):
            mixed = np.array([20.0, 17.0, 14.0])
            if event.scores is not None:
                table = np.array([list(bytes.fromhex(COLOURS[label])) for label in event.scores], float)
                mixed = np.average(table, axis=0, weights=list(event.scores.values()))
            found.append(mixed.round())
    return found


def changes(events: Sequence[Result]) -> list[list[int]]:
    """The colours, where they change."""
    each = [colour.astype(int).tolist() for colour in colours(events)]
    return [colour for n, colour in enumerate(each) if n == 0 or colour != each[n - 1]]


class Wled(ThreadingHTTPServer):
    """What WLED answers to, as far as the example asks."""

    daemon_threads = True

    def __init__(self) -> None:
        self.states: list[dict[str, object]] = []
        self.broken = False
        super().__init__(("127.0.0.1", 0), _WledHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _WledHandler(BaseHTTPRequestHandler):
    server: Wled

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/json/state" or self.headers["Content-Type"] != "application/json" or self.server.broken:
            self.send_error(500)
            return
        self.server.states.append(json.loads(body))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"success":true}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def wled() -> Iterator[Wled]:
    with Wled() as server:
        yield server
        server.shutdown()


def test_wled(wled: Wled, events: list[Result]):
    with (
        Broadcast(events) as broadcast,
        running(sys.executable, LAMP, broadcast.endpoint, "--wled", wled.address) as lamp,
    ):
        lamp.wait_for(lambda: len(wled.states) >= SHOWN)
        states = wled.states[:SHOWN]
    assert all(state["on"] is True for state in states)
    assert contiguous([state["seg"][0]["col"][0] for state in states[1:]], changes(broadcast.sent))


def test_a_lamp_that_fails_is_said_and_tried_again(wled: Wled, events: list[Result]):
    wled.broken = True
    with (
        Broadcast(events) as broadcast,
        running(sys.executable, LAMP, broadcast.endpoint, "--wled", wled.address) as lamp,
    ):
        lamp.wait_for(lambda: lamp.lines)
        assert wled.states == []
        wled.broken = False
        lamp.wait_for(lambda: len(wled.states) >= 3)
    assert lamp.lines[0] == "the lamp can't be reached: HTTP Error 500: Internal Server Error"
    assert lamp.errors == []


def test_serial(events: list[Result]):
    pytest.importorskip("serial", reason="needs pyserial")
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    with (
        Broadcast(events) as broadcast,
        running(sys.executable, LAMP, broadcast.endpoint, "--serial", os.ttyname(theirs)),
        os.fdopen(ours, "rb") as line,
    ):
        read = [next(line).decode().strip() for _ in range(SHOWN)]
    os.close(theirs)
    told = [list(bytes.fromhex(colour.removeprefix("#"))) for colour in read]
    assert contiguous(told[1:], changes(broadcast.sent))


def test_without_a_lamp_it_is_printed(events: list[Result]):
    with Broadcast(events) as broadcast, running(sys.executable, LAMP, broadcast.endpoint) as lamp:
        lamp.wait_for(lambda: len(lamp.lines) >= SHOWN)
        told = [list(bytes.fromhex(colour.removeprefix("#"))) for colour in lamp.lines[:SHOWN]]
    assert len({tuple(colour) for colour in told}) > 10
    assert contiguous(told[1:], changes(broadcast.sent))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--serial", "/dev/nowhere"], "lamp.py: .*could not open port /dev/nowhere"),
        (["--wled", "192.168.1.50"], "lamp.py: 192.168.1.50 is no address of a lamp, such as http://192.168.1.50"),
        (["nonsense"], "lamp.py: .*nonsense"),
    ],
)
def test_a_wrong_option_is_one_line(options: list[str], error: str):
    done = subprocess.run(
        [sys.executable, str(LAMP), *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(f"{error}.*\n", done.stderr)
