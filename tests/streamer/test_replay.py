"""The replay server: what it keeps and gives, and what it survives."""

from __future__ import annotations

import os
import socket as sockets
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from emostream.engines.errors import EventError, PublishError
from emostream.streamer.protocol.events import decode, encode
from emostream.streamer.protocol.replay import ReplayRequest, replay_endpoint
from emostream.streamer.publishing.publisher import Publisher
from emostream.streamer.publishing.replay import EventStore
from tests.streamer.replaying import LOOPBACK, Asker, LeakyPublisher, emotion, resident_bytes
from tests.streamer.samples import EMOTION, STATUS, UTTERANCE

FUZZ_EXAMPLES = int(os.environ.get("EMOSTREAM_FUZZ_EXAMPLES", "200"))
MB = 2**20
ROOT = Path(__file__).parents[2]


def request(first=0, count=500, session=None, stream="desk"):
    return ReplayRequest(version=1, stream=stream, session=session, first=first, count=count)


@pytest.fixture
def context():
    with zmq.Context() as context:
        yield context
        context.destroy(linger=0)


@pytest.fixture
def server():
    """A server of 1000 events of the stream desk, in a context of its own."""
    with LeakyPublisher() as leaky:
        leaky.lose(*(emotion(seq) for seq in range(1000)))
        yield leaky.server
    assert "replay" not in [thread.name for thread in threading.enumerate()]


@given(
    capacity=st.integers(1, 8),
    published=st.integers(0, 30),
    first=st.integers(0, 40),
    count=st.integers(1, 12),
)
def test_the_store_keeps_the_last_events(capacity, published, first, count):
    store = EventStore(capacity)
    store.append("desk", "earlier", 0, b"earlier")
    store.append("room", "other", 0, b"other")
    for seq in range(published):
        store.append("desk", "one", seq, b"%d" % seq)
    header, events = store.read(request(first, count))
    if not published:
        assert header.session == "earlier"
        return
    kept = list(range(published))[-capacity:]
    expected = [seq for seq in kept if seq >= first][:count]
    assert events == [b"%d" % seq for seq in expected]
    assert (header.count, header.oldest, header.next) == (len(expected), kept[0], published)
    assert not expected or header.first == expected[0]
    assert (header.stream, header.session) == ("desk", "one")


def test_what_is_not_kept_is_refused():
    store = EventStore()
    store.append("desk", "one", 0, b"")
    with pytest.raises(EventError, match="stream room has no events"):
        store.read(request(stream="room"))
    with pytest.raises(EventError, match="over"):
        store.read(request(session="two"))


@pytest.mark.parametrize(
    ("publish", "replay"),
    [
        ("tcp://127.0.0.1:5557", "tcp://127.0.0.1:6557"),
        ("tcp://127.0.0.1:05557", "tcp://127.0.0.1:6557"),
        ("tcp://[::1]:64535", "tcp://[::1]:65535"),
        ("tcp://*:64536", "tcp://*:63536"),
        ("tcp://eth0:65535", "tcp://eth0:64535"),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0"),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*"),
        ("ipc:///run/emostream", "ipc:///run/emostream-replay"),
        ("ipc://*", "ipc://*"),
        ("tcp://127.0.0.1", "tcp://127.0.0.1"),
        ("tcp://127.0.0.1:" + "9" * 5000, "tcp://127.0.0.1:" + "9" * 5000),
    ],
)
def test_the_endpoint_belongs_to_that_of_publishing(publish, replay):
    assert replay_endpoint(publish) == replay


def test_it_gives_the_bytes_that_were_published(context, tmp_path):
    output = tmp_path / "events.jsonl"
    with Publisher(LOOPBACK, replay=LOOPBACK, output=output) as publisher:
        desk = publisher.channel("desk", session="one", unix_offset=0.0)
        for _ in range(600):
            desk.publish(EMOTION)
            desk.publish(STATUS)
            desk.publish(UTTERANCE)
        sent = threading.Event()
        publisher._on_event = lambda event: sent.set() if event.stream == "last" else None
        publisher.channel("last", session="one", unix_offset=0.0).publish(STATUS)
        assert sent.wait(10)
        asker = Asker(context, publisher.replay)
        replies = [asker.ask(first=first) for first in (0, 500, 1000)]
    published = output.read_bytes().splitlines()
    assert [message for _, events in replies for message in events] == published
    assert len(published) == 1200
    assert replies[2][0] == {
        "version": 1,
        "stream": "desk",
        "session": "one",
        "first": 1000,
        "count": 200,
        "oldest": 0,
        "next": 1200,
    }


def test_streams_and_sessions_are_kept_apart(context):
    with LeakyPublisher() as leaky:
        leaky.lose(emotion(0), emotion(0, stream="room"), emotion(1), emotion(0, "two"))
        asker = Asker(context, leaky.replay)
        header, events = asker.ask()
        room, over, hall = asker.ask(stream="room"), asker.ask(session="one"), asker.ask(stream="hall")
    assert (header["session"], header["next"], [decode(event) for event in events]) == ("two", 1, [emotion(0, "two")])
    assert room[1] == [encode(emotion(0, stream="room"))]
    assert over == ({"error": "that session of stream desk is over; session null is the current one"}, [])
    assert hall == ({"error": "stream hall has no events here"}, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"version": None},
        {"stream": "Desk/"},
        {"stream": "x" * 65},
        {"stream": 7},
        {"session": "x" * 65},
        {"session": 1},
        {"first": -1},
        {"first": 2**70},
        {"first": 1.5},
        {"first": "0"},
        {"count": 0},
        {"count": 501},
        {"count": True},
    ],
)
def test_wrong_fields_get_a_short_error(context, server, wrong):
    asker = Asker(context, server.endpoint)
    header, events = asker.ask(**wrong)
    assert set(header) == {"error"}
    assert events == []
    assert "no replay request of version 1" in header["error"]
    assert len(header["error"]) <= 200
    assert asker.ask(first=999)[0]["count"] == 1


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"{}"],
        [b"[]"],
        [b"\xff\xfe"],
        [b"[" * 60_000],
        [b'{"version":1,"stream":"desk","first":0,"count":1}'],
        [b"", b'{"version":1,"stream":"desk","session":null,"first":0,"count":1}'],
        [b"x" * 1000] * 3000,
    ],
    ids=["empty", "nothing", "list", "no UTF-8", "deep", "no session", "two frames", "3000 frames"],
)
def test_wrong_requests_get_a_short_error(context, server, frames):
    asker = Asker(context, server.endpoint)
    asker.socket.send_multipart(frames)
    header, events = asker.reply()
    assert set(header) == {"error"}
    assert events == []
    assert len(header["error"]) <= 200
    assert asker.ask(first=999)[0]["count"] == 1


def test_a_request_of_more_than_64_kib_is_passed_over(context, server):
    huge, asker = Asker(context, server.endpoint), Asker(context, server.endpoint)
    huge.socket.send(b"x" * 65_537)
    assert asker.ask(first=999)[0]["count"] == 1
    assert not huge.socket.poll(200)
    assert huge.ask(first=999)[0]["count"] == 1  # on a new connection


def test_no_reply_is_dropped_of_a_client_that_fetches_them(context, server):
    asker = Asker(context, server.endpoint)
    assert sum(asker.ask(first=999)[0]["count"] for _ in range(3000)) == 3000


LARGE = replace(emotion(), scores={f"label {number}": 0.5 for number in range(400)})  # 7 kB


def test_a_client_that_reads_nothing_costs_little(context):
    with LeakyPublisher() as leaky:
        leaky.lose(*(replace(LARGE, seq=seq) for seq in range(500)))
        asker = Asker(context, leaky.replay)
        asker.ask()
        before = resident_bytes()
        greedy = context.socket(zmq.DEALER)
        greedy.linger, greedy.rcvhwm, greedy.sndhwm, greedy.sndtimeo = 0, 1, 100_000, 10_000
        greedy.connect(leaky.replay)
        for _ in range(1000):
            greedy.send(b'{"version":1,"stream":"desk","session":null,"first":0,"count":500}')
        for _ in range(60):  # in turn with the greedy one: its replies would take 200 MB
            assert asker.ask()[0]["count"] == 500
        assert resident_bytes() - before < 64 * MB


frames_of_noise = st.lists(
    st.binary(max_size=200)
    | st.sampled_from([b"", b"{}", b"null", b'{"version":1}', b"\x00" * 5000])
    | st.builds(
        lambda version, stream, session, first, count: (
            f'{{"version":{version},"stream":{stream},"session":{session},"first":{first},"count":{count}}}'.encode()
        ),
        st.sampled_from(["1", "0", "null", "1e400"]),
        st.sampled_from(['"desk"', '"room"', "null", '"\\ud800"', "[]"]),
        st.sampled_from(["null", '"one"', '""', "{}"]),
        st.integers(-5, 2**64).map(str) | st.sampled_from(["1e3", "NaN", '"0"']),
        st.integers(-5, 600).map(str),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def alone(context):
    """A server in a process of its own, for all examples: it, its endpoint, a client, and its size before them."""
    command = [sys.executable, "-m", "tests.streamer.replaying"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, **pipes) as process:
        endpoint = process.stdout.readline().strip()
        asker = Asker(context, endpoint)
        asker.ask()
        yield process, endpoint, asker, resident_bytes(process.pid)
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.mark.fault(
    "Requests for events again",
    "random bytes in random frames",
    "a short error or nothing; it goes on, no larger",
)
@settings(max_examples=FUZZ_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(frames_of_noise, min_size=1, max_size=4), line_noise=st.binary(max_size=2000))
def test_noise_neither_stops_it_nor_makes_it_larger(context, alone, messages, line_noise):
    process, endpoint, asker, before = alone
    with sockets.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 10) as line:
        line.sendall(line_noise)
    with context.socket(zmq.DEALER) as noisy:
        noisy.linger, noisy.rcvtimeo = 0, 10_000
        noisy.connect(endpoint)
        for frames in messages:
            noisy.send_multipart(frames)
        first, *events = noisy.recv_multipart()
        assert first.startswith(b'{"')
        assert len(events) <= 500
    header, events = asker.ask(first=998)
    assert [decode(event).seq for event in events] == [998, 999]
    assert header["next"] == 1000
    assert resident_bytes(process.pid) - before < 16 * MB


def test_a_port_in_use_is_refused_with_its_remedy(context):
    taken = context.socket(zmq.PUB)
    taken.bind(LOOPBACK)
    endpoint = taken.get_string(zmq.LAST_ENDPOINT)
    publisher = Publisher(LOOPBACK, replay=endpoint)
    with pytest.raises(PublishError) as caught:
        publisher.start()
    assert f"can't replay on {endpoint}: the address is already in use" in str(caught.value)
    assert "choose another with --replay" in str(caught.value)
    with Publisher(publisher.endpoint):  # whose port was freed
        pass


def test_without_a_replay_there_is_none():
    with Publisher(LOOPBACK) as publisher:
        assert publisher.replay is None
        assert "replay" not in [thread.name for thread in threading.enumerate()]


def test_its_thread_ends_with_the_publisher(context):
    publisher = Publisher(LOOPBACK, replay="tcp://127.0.0.1:0").start()
    asker = Asker(context, publisher.replay)
    assert "error" in asker.ask()[0]
    assert "replay" in [thread.name for thread in threading.enumerate()]
    publisher.stop()
    assert "replay" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.fault(
    "Subscriber that never reads",
    "it connects and reads nothing",
    "others get everything in time; the memory of the publisher is bounded",
)
def test_a_subscriber_that_never_reads_delays_nobody_and_costs_little(context):
    with Publisher(LOOPBACK, replay=LOOPBACK, high_water_mark=100) as publisher:
        stuck, reader = context.socket(zmq.SUB), context.socket(zmq.SUB)
        for socket in (stuck, reader):
            socket.linger, socket.rcvtimeo = 0, 10_000
            socket.subscribe(b"")
        stuck.rcvhwm = 1
        stuck.setsockopt(zmq.RCVBUF, 4096)
        reader.rcvhwm = 0
        for socket in (stuck, reader):
            socket.connect(publisher.endpoint)
        publisher.wait_settled()
        desk = publisher.channel("desk", session="one", unix_offset=0.0)
        for _ in range(200):
            desk.publish(LARGE)
            reader.recv_multipart()
        before = resident_bytes()
        for expected in range(200, 3200):
            desk.publish(LARGE)
            assert b'"seq":%d,' % expected in reader.recv_multipart()[1]
        kept_for_replay = 3000 * len(encode(LARGE))
        assert resident_bytes() - before < kept_for_replay + 16 * MB
        assert desk.dropped == 0
