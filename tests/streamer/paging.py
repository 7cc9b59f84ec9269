"""Sessions with a live page, and viewers of it, for tests."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.streamer.running import COMMAND


@dataclass
class WorkerStream:
    """A running session: its process, the page's address, and what it has written to standard error."""

    process: subprocess.Popen[str]
    url: str
    said: list[str]

    @property
    def host(self) -> str:
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def token(self) -> str:
        return self.url.partition("#")[2]

    def connect(self, path: str, **changed: Any) -> ClientConnection:
        """A WebSocket as the page opens it, but for what is changed."""
        options = {
            "uri": f"ws://{self.host}",
            "origin": f"http://{self.host}",
            "subprotocols": ["emostream.v1", f"token.{self.token}"],
            "max_size": None,
            "close_timeout": 1.0,
            "ping_interval": None,  # a machine with much else to do may be slow to answer
        } | changed
        return connect(options.pop("uri") + path, **options)


@contextmanager
def served(*options: object, web: str = "127.0.0.1:0", env: dict[str, str] | None = None) -> Iterator[WorkerStream]:
    """Run the command with a live page; it is ended at the end if it still runs."""
    arguments = [*map(str, options), "--web", web, "--publish", "tcp://127.0.0.1:*"]
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env
    )
    assert process.stderr is not None
    said: list[str] = []
    url = None
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"live page on (\S+)", line):
            url = found[1]
            break
    assert url is not None, said
    reading = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    reading.start()
    try:
        yield WorkerStream(process, url, said)
    finally:
        process.terminate()
        process.wait(10)
        reading.join(5)


@dataclass
class Seen:
    """What a viewer was told: messages by their type, and the headers and JPEGs of pictures."""

    messages: dict[str, list[dict[str, Any]]]
    pictures: list[tuple[dict[str, Any], bytes]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return self.messages.get(kind, [])


def watch(socket: ClientConnection, *, until_segments: int | None = None, acknowledge: bool = True) -> Seen:
    """Look at the page until the session ends, or so many segments were told."""
    seen = Seen({}, [])
    socket.send('{"look": true}')
    try:
        while until_segments is None or len(seen.of("emotion")) < until_segments:
            message = socket.recv(timeout=30)
            if isinstance(message, str):
                told = json.loads(message)
                seen.messages.setdefault(told["type"], []).append(told)
                continue
            (length,) = struct.unpack_from("<I", message)
            about = json.loads(message[4 : 4 + length])
            seen.pictures.append((about, message[4 + length :]))
            if acknowledge:
                socket.send(json.dumps({"shown": about["number"], "stream": about["stream"]}))
    except ConnectionClosed:
        pass
    return seen
