"""What the tests of the replay share: a publisher that loses what it is told to, and bare requests."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import psutil
import zmq
from msgspec.structs import replace

from emostream.streamer.protocol.events import EmotionEvent, StatusEvent, encode, topic
from emostream.streamer.publishing.replay import EVENTS_KEPT, EventStore, ReplayServer
from tests.streamer.samples import EMOTION, STATUS

LOOPBACK = "tcp://127.0.0.1:*"


def emotion(seq: int = 0, session: str = "one", stream: str = "desk") -> EmotionEvent:
    return replace(EMOTION, seq=seq, session=session, stream=stream)


def status(session: str = "one", stream: str = "desk") -> StatusEvent:
    return replace(STATUS, session=session, stream=stream)


def numbers(events: Iterable[object]) -> list[int]:
    return [event.seq for event in events if isinstance(event, EmotionEvent)]


class LeakyPublisher:
    """Keeps every event for the replay, and sends only those it is told to."""

    def __init__(self, capacity: int = EVENTS_KEPT) -> None:
        context = self._context = zmq.Context()
        self.socket = context.socket(zmq.XPUB)
        self.socket.linger, self.socket.rcvtimeo, self.socket.xpub_verbose = 0, 10_000, True
        self.socket.bind(LOOPBACK)
        self.endpoint = self.socket.get_string(zmq.LAST_ENDPOINT)
        self.store = EventStore(capacity)
        self.server = ReplayServer(LOOPBACK, self.store)
        self.server.bind(context)
        self.server.start()
        self.replay = self.server.endpoint

    def __enter__(self) -> LeakyPublisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._context.term()
        self.server.join(5)

    def wait_for_subscriptions(self, count: int = 1) -> None:
        for _ in range(count):
            self.socket.recv()

    def lose(self, *events: EmotionEvent) -> None:
        for event in events:
            self.store.append(event.stream, event.session, event.seq, encode(event))

    def send(self, *events: EmotionEvent) -> None:
        self.lose(*events)
        self.repeat(*events)

    def repeat(self, *events: EmotionEvent | StatusEvent) -> None:
        for event in events:
            self.socket.send_multipart([topic(event), encode(event)])


class Asker:
    """A bare client of the replay, that fails after 10 s without a reply."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger, self.socket.rcvtimeo, self.socket.sndtimeo = 0, 10_000, 10_000
        self.socket.connect(endpoint)

    def ask(self, **fields: object) -> tuple[dict[str, object], list[bytes]]:
        request = {"version": 1, "stream": "desk", "session": None, "first": 0, "count": 500} | fields
        self.socket.send(json.dumps(request).encode())
        return self.reply()

    def reply(self) -> tuple[dict[str, object], list[bytes]]:
        header, *events = self.socket.recv_multipart()
        return json.loads(header), events


def resident_bytes(process: int | None = None) -> int:
    return int(psutil.Process(process).memory_info().rss)


if __name__ == "__main__":  # a server of a thousand events, until standard input ends
    with LeakyPublisher() as leaky:
        leaky.lose(*(emotion(seq) for seq in range(1000)))
        print(leaky.replay, flush=True)
        sys.stdin.read()
