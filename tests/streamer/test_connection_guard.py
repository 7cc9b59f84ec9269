"""Clients that send without end or come in crowds, which are cut off, and those that send much, which are not."""

from __future__ import annotations

import json
import logging
import os
import platform
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import psutil
import pytest
import zmq

from emostream.streamer.publishing.publisher import Publisher
from tests.streamer.replaying import LOOPBACK, Asker, emotion, resident_bytes

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="only Linux tells how much a client sent")

MB = 1 << 20
FRAMES = (b"\x01\xc8" + 200 * b"x") * 5000  # of 200 bytes, of which each says that more come
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)  # of ZMTP 3.0


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(LOOPBACK, replay=LOOPBACK) as publisher:
        yield publisher


class Others:
    """A publisher's honest clients: one that listens, and one that asks for events again."""

    def __init__(self, publisher: Publisher, context: zmq.Context[zmq.Socket[bytes]], *topics: str) -> None:
        self._desk = publisher.channel("desk", session="one", unix_offset=0.0)
        self._listener = context.socket(zmq.SUB)
        self._listener.rcvtimeo, self._listener.linger, self._listener.heartbeat_ivl = 10_000, 0, 10
        for topic in ("emotion/desk/", *topics):
            self._listener.subscribe(topic)
        self._listener.connect(publisher.endpoint)
        self.asker = Asker(context, publisher.replay)
        self._ended = threading.Event()
        self._publishing = threading.Thread(target=self._publish)
        self._publishing.start()

    def are_served(self) -> bool:
        seq = json.loads(self._listener.recv_multipart()[1])["seq"]
        return self.asker.ask(first=seq, count=1)[0]["count"] == 1

    def _publish(self) -> None:
        while not self._ended.wait(0.01):
            self._desk.publish(emotion())

    def close(self) -> None:
        self._ended.set()
        self._publishing.join()
        self._listener.close()
        self.asker.socket.close()


@contextmanager
def client(endpoint: str, kind: bytes) -> Iterator[socket.socket]:
    """A connection that has shaken hands as ZeroMQ's sockets do, to send any bytes on."""
    with socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 10) as line:
        properties = b"".join(
            bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
            for name, value in ((b"Socket-Type", kind), (b"Identity", b""))
        )
        ready = b"\x05READY" + properties
        line.sendall(GREETING + b"\x04" + bytes([len(ready)]) + ready)
        while b"READY" not in line.recv(1000):
            pass
        yield line


def subscriptions() -> bytes:
    """To a thousand topics that nobody else asks for."""
    return b"".join(b"\x00\x21\x01" + os.urandom(32) for _ in range(1000))


def flood(line: socket.socket, block: bytes | None) -> int:
    """How many bytes can be sent until the connection is ended, of 2 GB."""
    sent = 0
    with suppress(ConnectionError):
        while sent < 2000 * MB:
            data = block or subscriptions()
            line.sendall(data)
            sent += len(data)
    return sent


@pytest.mark.fault(
    "Messages and subscriptions without end",
    "a client sends frames, of which each says that more come, or subscribes to ever more",
    "it is cut off within a moment; others are served, memory stays",
)
@pytest.mark.parametrize(
    ("to_replay", "kind", "block"),
    [(True, b"DEALER", FRAMES), (False, b"SUB", FRAMES), (False, b"SUB", None)],
    ids=["requests", "frames to the publisher", "subscriptions"],
)
def test_who_sends_without_end_is_cut_off(publisher, caplog, to_replay, kind, block):
    endpoint = publisher.replay if to_replay else publisher.endpoint
    with zmq.Context() as context, closing(Others(publisher, context)) as others:
        before = resident_bytes()
        for _ in range(3):
            with caplog.at_level(logging.WARNING, "emostream"), client(endpoint, kind) as line:
                assert flood(line, block) < 500 * MB
            assert others.are_served()
        assert resident_bytes() - before < 200 * MB
    (said,) = [record.getMessage() for record in caplog.records if "is cut off" in record.getMessage()]
    assert said.startswith(f"a client of {endpoint} at 127.0.0.1 sent ")


def test_who_asks_much_is_served(publisher, caplog):
    topics = [f"emotion/room-{number}/" for number in range(1000)]
    with zmq.Context() as context, closing(Others(publisher, context, *topics)) as others:
        others.asker.socket.send_multipart([b"x" * 1000] * 3000)  # a wrong request, which gets its answer
        assert "error" in others.asker.reply()[0]
        assert all(others.asker.ask(first=0, count=1)[0] for _ in range(3000))
        assert all(others.are_served() for _ in range(300))
    assert not [record for record in caplog.records if "is cut off" in record.getMessage()]


@pytest.mark.fault(
    "More clients than the process has room for",
    "they connect, and say nothing",
    "those that come last are cut off; others are served, half of the descriptors stay free",
)
def test_who_comes_in_crowds_is_cut_off(caplog, monkeypatch, request):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (60, 60))
    publisher = request.getfixturevalue("publisher")
    address = ("127.0.0.1", int(publisher.endpoint.rpartition(":")[2]))
    with zmq.Context() as context, closing(Others(publisher, context)) as others, ExitStack() as crowd:
        time.sleep(1.0)  # for the guard to know them as the first
        lines = []
        for _ in range(200):
            with suppress(ConnectionError):  # it is cut off at once
                lines.append(crowd.enter_context(socket.create_connection(address, 10)))
        until = time.monotonic() + 10
        while (stay := sum(is_open(line) for line in lines)) > 30:
            assert time.monotonic() < until, stay
            time.sleep(0.05)
        assert stay > 10
        assert others.are_served()
    (said,) = [record.getMessage() for record in caplog.records if "is cut off" in record.getMessage()]
    assert "is one too many" in said


def test_many_may_not_send_together_what_one_may(publisher, caplog):
    with zmq.Context() as context, closing(Others(publisher, context)) as others, ExitStack() as crowd:
        lines = [crowd.enter_context(client(publisher.replay, b"DEALER")) for _ in range(10)]
        for line in lines:
            with suppress(ConnectionError):
                line.sendall(FRAMES * 3)
        until = time.monotonic() + 10
        while (stay := sum(is_open(line) for line in lines)) * len(FRAMES * 3) > 16 * MB:
            assert time.monotonic() < until, stay
            time.sleep(0.05)
        assert stay >= 2
        assert others.are_served()
    (said,) = [record.getMessage() for record in caplog.records if "is cut off" in record.getMessage()]
    assert "all together send too much" in said


def is_open(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        while line.recv(1000):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


def test_it_leaves_nothing(publisher):
    assert "guard" in [thread.name for thread in threading.enumerate()]
    publisher.stop(5)
    before = psutil.Process().num_fds()
    for _ in range(3):
        with Publisher(LOOPBACK, replay=LOOPBACK):
            time.sleep(0.05)
    assert "guard" not in [thread.name for thread in threading.enumerate()]
    assert psutil.Process().num_fds() <= before


def test_where_nothing_can_be_counted_there_is_none(monkeypatch, tmp_path):
    with Publisher(f"ipc://{tmp_path / 'socket'}"):
        assert "guard" not in [thread.name for thread in threading.enumerate()]
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    with Publisher(LOOPBACK):
        assert "guard" not in [thread.name for thread in threading.enumerate()]
