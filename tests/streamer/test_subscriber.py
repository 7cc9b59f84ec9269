"""The subscriber: what it receives, what it notices, and how it fails."""

import logging
import os
import socket as sockets
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
import zmq
from msgspec.structs import replace

from emostream.engines.errors import ConfigError, EventError
from emostream.streamer.client.subscriber import Gap, SessionStarted, Subscriber
from emostream.streamer.protocol.events import EmotionEvent, StatusEvent, encode, topic
from emostream.streamer.publishing.publisher import Publisher
from tests.streamer.samples import EMOTION, STATUS

LOOPBACK = "tcp://127.0.0.1:*"
ROOT = Path(__file__).parents[2]


def emotion(seq=0, session="one", stream="desk"):
    return replace(EMOTION, seq=seq, session=session, stream=stream)


def status(session="one", stream="desk"):
    return replace(STATUS, session=session, stream=stream)


def channel_of(publisher, stream="desk"):
    return publisher.channel(stream, session=uuid.uuid4().hex, unix_offset=0.0)


class BarePublisher:
    """Sends crafted events; an XPUB socket, since that one tells when a subscriber has arrived."""

    def __init__(self, context):
        self.socket = context.socket(zmq.XPUB)
        self.socket.linger, self.socket.rcvtimeo = 1000, 10_000
        self.socket.xpub_verbose = True
        self.socket.bind(LOOPBACK)
        self.endpoint = self.socket.get_string(zmq.LAST_ENDPOINT)

    def wait_for_subscriptions(self, count):
        return [self.socket.recv() for _ in range(count)]

    def send(self, *events):
        for event in events:
            self.socket.send_multipart([topic(event), encode(event)])


@pytest.fixture
def bare():
    with zmq.Context() as context:
        yield BarePublisher(context)
        context.destroy()


def free_endpoint():
    with sockets.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def test_it_receives_typed_events_from_a_publisher():
    with Publisher(LOOPBACK) as sender, Subscriber(sender.endpoint, status=True, timeout=10) as events:
        desk = channel_of(sender)
        sender.wait_settled()
        desk.publish(emotion())
        desk.publish(status())
        desk.publish(emotion())
        first, second, third = events.receive(), next(events), events.receive(timeout=10)
    assert isinstance(first, EmotionEvent)
    assert isinstance(second, StatusEvent)
    assert [first.seq, third.seq] == [0, 1]
    assert encode(third) == events.message
    assert events.missed == {}
    assert events.sessions == {"desk": 1}


def test_a_subscriber_that_waits_misses_nothing():
    endpoint = free_endpoint()
    with Subscriber(endpoint, stream="desk", timeout=10, notices=True) as events:
        with pytest.raises(TimeoutError):
            events.receive(timeout=0.3)
        with Publisher(endpoint) as sender:
            desk = channel_of(sender)
            sender.wait_settled()
            for _ in range(5000):
                desk.publish(emotion())
            received = [events.receive() for _ in range(5000)]
    assert [event.seq for event in received] == list(range(5000))
    assert events.missed == {}


def test_without_status_none_comes(bare):
    with Subscriber(bare.endpoint, timeout=10) as events:
        assert bare.wait_for_subscriptions(1) == [b"\x01emotion/"]
        bare.send(status(), emotion())
        assert events.receive() == emotion()


def test_a_stream_is_not_taken_for_another_with_a_longer_name(bare):
    with Subscriber(bare.endpoint, stream="desk", status=True, timeout=10) as events:
        bare.wait_for_subscriptions(2)
        bare.send(emotion(stream="desk2"), status(stream="desk2"), emotion(stream="desk"), status(stream="desk"))
        assert events.receive() == emotion(stream="desk")
        assert events.receive() == status(stream="desk")
        with pytest.raises(TimeoutError):
            events.receive(timeout=0.1)


def test_gaps_are_counted_logged_and_given(bare, caplog):
    with Subscriber(bare.endpoint, timeout=10, notices=True) as events:
        bare.wait_for_subscriptions(1)
        bare.send(emotion(0), emotion(1), emotion(5), emotion(6, stream="room"), emotion(6), emotion(8))
        received = [events.receive() for _ in range(8)]
    assert received == [
        emotion(0),
        emotion(1),
        Gap("desk", "one", 2, 3),
        emotion(5),
        emotion(6, stream="room"),
        emotion(6),
        Gap("desk", "one", 7, 1),
        emotion(8),
    ]
    assert events.missed == {"desk": 4}
    assert events.sessions == {"desk": 1, "room": 1}
    assert caplog.text == ""


def test_without_notices_gaps_and_sessions_are_warnings_in_the_log(bare, caplog):
    with caplog.at_level(logging.WARNING, "emostream"), Subscriber(bare.endpoint, timeout=10) as events:
        bare.wait_for_subscriptions(1)
        bare.send(emotion(0), emotion(3), emotion(0, session="two"))
        assert [events.receive() for _ in range(3)] == [emotion(0), emotion(3), emotion(0, session="two")]
    assert events.missed == {"desk": 2}
    assert "stream desk: missed 2 events, numbers 1 to 2" in caplog.text
    assert "stream desk: session two started" in caplog.text


def test_joining_late_is_no_gap(bare):
    with Subscriber(bare.endpoint, timeout=10, notices=True) as events:
        bare.wait_for_subscriptions(1)
        bare.send(emotion(412), emotion(413))
        assert [events.receive(), events.receive()] == [emotion(412), emotion(413)]
    assert events.missed == {}


def test_a_new_session_is_expected_from_its_first_event_on(bare):
    with Subscriber(bare.endpoint, timeout=10, notices=True) as events:
        bare.wait_for_subscriptions(1)
        bare.send(emotion(7), emotion(0, "two"), emotion(1, "two"), emotion(2, "three"))
        received = [events.receive() for _ in range(7)]
    assert received == [
        emotion(7),
        SessionStarted("desk", "two"),
        emotion(0, "two"),
        emotion(1, "two"),
        SessionStarted("desk", "three"),
        Gap("desk", "three", 0, 2),
        emotion(2, "three"),
    ]
    assert events.missed == {"desk": 2}
    assert events.sessions == {"desk": 3}


def test_status_shows_a_new_session_too(bare):
    with Subscriber(bare.endpoint, status=True, timeout=10, notices=True) as events:
        bare.wait_for_subscriptions(2)
        bare.send(status("one"), emotion(4, "one"), status("two"), emotion(1, "two"))
        received = [events.receive() for _ in range(6)]
    assert received == [
        status("one"),
        emotion(4, "one"),
        SessionStarted("desk", "two"),
        status("two"),
        Gap("desk", "two", 0, 1),
        emotion(1, "two"),
    ]


def test_a_restarted_publisher_is_a_new_session():
    endpoint = free_endpoint()

    def publish_twice():
        for _ in range(2):
            with Publisher(endpoint) as sender:
                desk = channel_of(sender)
                sender.wait_settled()
                desk.publish(emotion())

    # In a thread, since ZeroMQ subscribes anew only while the subscriber waits for events.
    thread = threading.Thread(target=publish_twice)
    with Subscriber(endpoint, timeout=10, notices=True) as events:
        thread.start()
        first, notice, second = (events.receive() for _ in range(3))
        thread.join(10)
    assert isinstance(notice, SessionStarted)
    assert notice.session == second.session != first.session
    assert events.missed == {}
    assert events.sessions == {"desk": 2}


def test_a_time_out_says_what_to_look_at():
    endpoint = free_endpoint()
    started = time.monotonic()
    with Subscriber(endpoint, timeout=0.2) as events, pytest.raises(TimeoutError) as caught:
        next(events)
    assert 0.2 <= time.monotonic() - started < 5
    assert str(caught.value) == f"nothing from {endpoint} for 0.2 s: is emostream running there?"
    with (
        Subscriber(endpoint, stream="desk") as events,
        pytest.raises(TimeoutError, match="nothing of stream desk from"),
    ):
        events.receive(0.1)


@pytest.mark.fault(
    "Messages that are no events",
    "a publisher sends others than emostream's",
    "the subscriber says so in one line, and goes on with the next",
)
def test_a_foreign_message_raises_and_the_next_call_goes_on(bare):
    with Subscriber(bare.endpoint, timeout=10) as events:
        bare.wait_for_subscriptions(1)
        bare.socket.send_multipart([b"emotion/desk/", b"hello"])
        bare.socket.send_multipart([b"emotion/desk/"])
        bare.socket.send_multipart([b"emotion/desk/", b'{"version": 2, "type": "emotion"}'])
        bare.send(emotion())
        with pytest.raises(EventError, match="no event"):
            next(events)
        with pytest.raises(EventError, match="1 frames"):
            next(events)
        with pytest.raises(EventError, match="version 2"):
            next(events)
        assert next(events) == emotion()


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "", "foo://bar", "tcp://127.0.0.1", "tcp://127.0.0.1:65536", "tcp://*:5557"]
)
def test_bad_endpoints_are_refused(endpoint):
    with pytest.raises(ConfigError, match="can't subscribe"), Subscriber(endpoint):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": -1.0}, r"timeout is -1\.0, expected seconds from 0 on, or None"),
        ({"timeout": float("nan")}, "timeout is nan"),
        (
            {"replay": True, "cursor": [{"stream": "desk"}]},
            r"expected a Cursor; Cursor\.from_dict reads",
        ),
        ({"replay": True, "cursor": {"stream": "desk"}}, r"the cursor is .*, expected a Cursor"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Subscriber(**options)


def test_bad_timeouts_are_refused(bare):
    with Subscriber(bare.endpoint) as events:
        for timeout in (-1.0, float("nan")):
            with pytest.raises(ConfigError, match=f"timeout is {timeout}, expected seconds from 0 on, or None"):
                events.receive(timeout)


def test_a_bad_stream_name_is_refused():
    with pytest.raises(ConfigError, match="stream name"):
        Subscriber(stream="Desk")


def test_it_must_be_open():
    with pytest.raises(RuntimeError, match="with Subscriber"):
        Subscriber().receive()


def test_it_can_be_opened_again_and_notices_what_it_missed_meanwhile(bare):
    events = Subscriber(bare.endpoint, timeout=10, notices=True)
    with events:
        bare.wait_for_subscriptions(1)
        bare.send(emotion(0))
        assert events.receive() == emotion(0)
    assert bare.wait_for_subscriptions(1) == [b"\x00emotion/"]
    bare.send(emotion(1))
    with events:
        bare.wait_for_subscriptions(1)
        bare.send(emotion(2))
        assert [events.receive(), events.receive()] == [Gap("desk", "one", 1, 1), emotion(2)]


def test_a_given_context_is_used_and_left_open(bare):
    with zmq.Context() as context:
        with Subscriber(bare.endpoint, timeout=10, context=context) as events:
            bare.wait_for_subscriptions(1)
            bare.send(emotion())
            assert events.receive() == emotion()
        assert not context.closed


def test_the_client_loads_little():
    code = """
import sys
from emostream.streamer.client.subscriber import Subscriber
heavy = {"numpy", "cv2", "torch", "av", "openvino", "onnxruntime", "sounddevice", "typer", "rich"}
print(sorted(heavy & sys.modules.keys()), sorted(name for name in sys.modules if name.startswith("emostream.engines.")))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert answer.stdout.split("] [") == ["[", "'emostream.engines.errors']\n"]


@pytest.mark.parametrize("example", ["subscribe_bare.py", "subscribe.py"])
def test_the_examples_print_events(bare, example):
    command = [sys.executable, str(ROOT / "examples" / example), bare.endpoint]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            bare.wait_for_subscriptions(1)
            bare.send(emotion())
            line = process.stdout.readline()
        finally:
            process.kill()
    assert line.startswith("desk ")
    assert "joy" in line
