"""A subscriber with a replay: each event once and in order, whatever is lost on the way."""

from __future__ import annotations

import json
import random
import signal
import socket as sockets
import subprocess
import threading
import time
import uuid

import pytest

from emostream.engines.errors import ConfigError
from emostream.streamer.client import subscriber as client_module
from emostream.streamer.client.subscriber import Cursor, Gap, SessionStarted, Subscriber
from emostream.streamer.protocol.replay import replay_endpoint
from emostream.streamer.publishing.publisher import Publisher
from tests.streamer.replaying import LOOPBACK, LeakyPublisher, emotion, numbers, status
from tests.streamer.running import COMMAND, run
from tests.streamer.samples import EMOTION


def free_endpoint():
    """A free port whose replay's is free too."""
    while True:
        with sockets.socket() as probe, sockets.socket() as other:
            probe.bind(("127.0.0.1", 0))
            endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
            try:
                other.bind(("127.0.0.1", int(replay_endpoint(endpoint).rpartition(":")[2])))
            except OSError:
                continue
            return endpoint


def channel_of(publisher, stream="desk", session=None):
    return publisher.channel(stream, session=session or uuid.uuid4().hex, unix_offset=0.0)


@pytest.fixture
def leaky():
    with LeakyPublisher() as leaky:
        yield leaky


def subscriber(leaky, **options):
    return Subscriber(leaky.endpoint, replay=leaky.replay, **{"timeout": 10, "notices": True} | options)


def take(events, count):
    return [events.receive() for _ in range(count)]


def test_holes_are_filled_before_the_event_that_showed_them(leaky):
    with subscriber(leaky) as events:
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0))
        leaky.lose(emotion(1), emotion(2))
        leaky.send(emotion(3), emotion(0, stream="room"), emotion(4))
        leaky.lose(emotion(1, stream="room"))
        leaky.send(emotion(2, stream="room"))
        received = take(events, 8)
        assert events.message
    assert received == [
        *(emotion(seq) for seq in range(4)),
        emotion(0, stream="room"),
        emotion(4),
        emotion(1, stream="room"),
        emotion(2, stream="room"),
    ]
    assert events.missed == {}
    assert events.cursors == {"desk": Cursor("desk", "one", 4), "room": Cursor("room", "one", 2)}


def test_a_hole_may_be_larger_than_a_reply(leaky):
    with subscriber(leaky) as events:
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0))
        leaky.lose(*(emotion(seq) for seq in range(1, 1700)))
        leaky.send(emotion(1700))
        assert numbers(take(events, 1701)) == list(range(1701))


def test_duplicates_are_passed_over(leaky):
    with subscriber(leaky) as events:
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0), emotion(1))
        leaky.repeat(emotion(0), emotion(1))
        leaky.send(emotion(2))
        assert take(events, 3) == [emotion(0), emotion(1), emotion(2)]


def test_what_was_published_before_the_session_that_the_server_told_is_passed_over(leaky):
    leaky.lose(emotion(0, "three"))
    with subscriber(leaky, status=True, cursor=Cursor("desk", "one", 4)) as events:
        assert take(events, 2) == [SessionStarted("desk", "three"), emotion(0, "three")]
        leaky.wait_for_subscriptions(2)
        leaky.repeat(emotion(5, "one"), emotion(0, "two"), status("two"))
        leaky.send(emotion(1, "three"), emotion(0, "four"))
        assert take(events, 3) == [emotion(1, "three"), SessionStarted("desk", "four"), emotion(0, "four")]


def test_a_session_after_the_one_that_the_server_told_is_fetched(leaky):
    leaky.lose(emotion(0, "two"))
    with subscriber(leaky, cursor=Cursor("desk", "one", 4)) as events:
        assert take(events, 2) == [SessionStarted("desk", "two"), emotion(0, "two")]
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0, "three"), emotion(1, "three"))
        assert take(events, 3) == [SessionStarted("desk", "three"), emotion(0, "three"), emotion(1, "three")]


def test_joining_late_begins_with_the_first_event_that_comes(leaky):
    leaky.lose(*(emotion(seq) for seq in range(5)))
    with subscriber(leaky, status=True) as events:
        leaky.wait_for_subscriptions(2)
        leaky.repeat(status())
        leaky.send(emotion(5))
        assert take(events, 2) == [status(), emotion(5)]


@pytest.mark.parametrize("shown_by", ["event", "status"])
def test_a_new_session_is_fetched_from_its_beginning(leaky, shown_by):
    with subscriber(leaky, status=True) as events:
        leaky.wait_for_subscriptions(2)
        leaky.send(emotion(0))
        leaky.lose(emotion(0, "two"), emotion(1, "two"))
        if shown_by == "event":
            leaky.send(emotion(2, "two"))
            expected = [emotion(seq, "two") for seq in range(3)]
        else:
            leaky.repeat(status("two"))
            expected = [status("two"), emotion(0, "two"), emotion(1, "two")]
        assert take(events, 5) == [emotion(0), SessionStarted("desk", "two"), *expected]
    assert events.sessions == {"desk": 2}


def test_the_end_of_a_silent_stream_is_fetched(leaky):
    with subscriber(leaky) as events:
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0))
        leaky.lose(emotion(1), emotion(2))
        assert numbers(take(events, 3)) == [0, 1, 2]


def test_a_cursor_is_gone_on_from_at_once(leaky):
    leaky.lose(*(emotion(seq) for seq in range(1200)), emotion(0, stream="room"))
    cursors = [Cursor("desk", "one", 99), Cursor("room", "one", 0)]
    with subscriber(leaky, cursor=cursors) as events:
        begun = time.monotonic()
        assert numbers(take(events, 1100)) == list(range(100, 1200))
        assert time.monotonic() - begun < 5
        leaky.wait_for_subscriptions()
        leaky.send(emotion(1200), emotion(1, stream="room"))
        assert take(events, 2) == [emotion(1200), emotion(1, stream="room")]
    assert events.missed == {}
    assert events.sessions == {"desk": 1, "room": 1}


def test_a_cursor_of_an_earlier_session_leads_to_the_new_one(leaky):
    leaky.lose(emotion(0, "two"), emotion(1, "two"))
    with subscriber(leaky, cursor=Cursor("desk", "one", 7)) as events:
        assert take(events, 3) == [SessionStarted("desk", "two"), emotion(0, "two"), emotion(1, "two")]


@pytest.mark.fault(
    "Subscriber away for too long",
    "more events pass than are kept",
    "a gap that names the numbers, never a silent loss",
)
def test_what_is_no_longer_kept_is_a_gap():
    with LeakyPublisher() as leaky:
        leaky.lose(*(emotion(seq) for seq in range(10_500)))
        with subscriber(leaky, cursor=Cursor("desk", "one", 99)) as events:
            assert events.receive() == Gap("desk", "one", 100, 400)
            assert numbers(take(events, 10_000)) == list(range(500, 10_500))
    assert events.missed == {"desk": 400}


def test_a_hole_that_is_partly_kept_is_partly_filled():
    with LeakyPublisher(capacity=4) as leaky, subscriber(leaky) as events:
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0))
        assert events.receive() == emotion(0)
        leaky.lose(*(emotion(seq) for seq in range(1, 8)))
        leaky.send(emotion(8))
        assert take(events, 5) == [Gap("desk", "one", 1, 4), *(emotion(seq) for seq in range(5, 9))]
        leaky.send(emotion(9))
        assert events.receive() == emotion(9)


def test_a_server_that_does_not_answer_makes_a_gap_and_time_outs_stay_honest(leaky):
    with Subscriber(leaky.endpoint, replay=free_endpoint(), timeout=10, notices=True) as events:
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0), emotion(3), emotion(4))
        assert events.receive() == emotion(0)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            events.receive(timeout=0.2)
        assert 0.2 <= time.monotonic() - begun < 1.5
        assert take(events, 3) == [Gap("desk", "one", 1, 2), emotion(3), emotion(4)]
        assert 2.0 <= time.monotonic() - begun < 6
    assert events.missed == {"desk": 2}


def test_a_time_out_of_zero_gives_what_is_there(leaky):
    with subscriber(leaky, cursor=Cursor("desk", "one", 0)) as events:
        leaky.wait_for_subscriptions()
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            events.receive(timeout=0)
        assert time.monotonic() - begun < 0.5


def test_a_refusal_is_a_gap(leaky):
    with subscriber(leaky) as events:
        leaky.wait_for_subscriptions()
        leaky.repeat(emotion(0), emotion(3))  # none of them kept
        assert take(events, 3) == [emotion(0), Gap("desk", "one", 1, 2), emotion(3)]


def test_it_goes_on_after_it_was_closed(leaky):
    events = subscriber(leaky)
    with events:
        leaky.wait_for_subscriptions()
        leaky.send(emotion(0), emotion(1))
        assert events.receive() == emotion(0)
    leaky.wait_for_subscriptions()
    leaky.send(emotion(2), emotion(3))
    with events:
        assert numbers(take(events, 3)) == [1, 2, 3]


@pytest.mark.fault(
    "Publisher",
    "it ends, and another one begins on its port",
    "the subscriber says that a new session began, and has all of it",
)
def test_a_publisher_that_comes_back_on_the_same_port():
    endpoint = free_endpoint()
    again = threading.Event()

    def publish_twice():
        for count in (5, 8):
            with Publisher(endpoint, replay=replay_endpoint(endpoint)) as sender:
                desk = channel_of(sender)
                for _ in range(count - 1):  # before anyone can have subscribed
                    desk.publish(EMOTION)
                sender.wait_settled()
                desk.publish(EMOTION)
                assert again.wait(20)
                again.clear()

    thread = threading.Thread(target=publish_twice)
    with Subscriber(endpoint, replay=True, timeout=20, notices=True) as events:
        thread.start()
        first = events.receive()
        again.set()
        started, *second = take(events, 9)
        again.set()
        thread.join(10)
    assert first.seq == 4  # it joined late
    assert isinstance(started, SessionStarted)
    assert {event.session for event in second} == {started.session}
    assert numbers(second) == list(range(8))
    assert events.missed == {}


@pytest.mark.fault(
    "Subscriber too slow",
    "queues of a few events overflow",
    "what was dropped is fetched again, in order",
)
def test_queues_that_overflow_lose_nothing(monkeypatch):
    monkeypatch.setattr(client_module, "RECEIVE_QUEUE", 3)
    with (
        Publisher(LOOPBACK, replay=LOOPBACK, high_water_mark=3) as sender,
        Subscriber(sender.endpoint, replay=sender.replay, timeout=20, notices=True) as events,
    ):
        sender.wait_settled()
        channels = [channel_of(sender, stream) for stream in ("desk", "room", "hall")]
        asked = []
        ask, replay = events._replay.ask, events._replay
        monkeypatch.setattr(replay, "ask", lambda *arguments: (asked.append(arguments), ask(*arguments)))
        for channel in channels:
            channel.publish(EMOTION)
        received = take(events, 3)
        for _ in range(1500):
            for channel in channels:
                channel.publish(EMOTION)
        received += take(events, 4500)
    for stream in ("desk", "room", "hall"):
        assert [event.seq for event in received if event.stream == stream] == list(range(1501))
    assert asked


@pytest.mark.fault(
    "Subscriber",
    "it is closed in the middle again and again, and goes on from its cursor",
    "every event exactly once, in order",
)
def test_one_that_dies_again_and_again_gets_everything_once():
    chance = random.Random(5)
    total = 1000
    ended = threading.Event()
    with Publisher(LOOPBACK, replay=LOOPBACK) as sender:
        channels = {stream: channel_of(sender, stream) for stream in ("desk", "room")}

        def publish():
            for _ in range(total):
                for channel in channels.values():
                    channel.publish(EMOTION)
                ended.wait(0.001)

        received, cursors = [], [Cursor(stream, channel.session, -1) for stream, channel in channels.items()]
        thread = threading.Thread(target=publish)
        thread.start()
        while len(received) < 2 * total:
            with Subscriber(sender.endpoint, replay=sender.replay, timeout=20, cursor=cursors) as events:
                received += take(events, min(chance.randrange(1, 200), 2 * total - len(received)))
            cursors = [Cursor.from_dict(json.loads(json.dumps(each.to_dict()))) for each in events.cursors.values()]
        thread.join(10)
    for stream in channels:
        assert [event.seq for event in received if event.stream == stream] == list(range(total))


def test_listen_killed_and_started_again_prints_everything_once(tmp_path):
    cursor = tmp_path / "cursor.json"
    with Publisher(LOOPBACK, replay=LOOPBACK) as sender:
        command = [*COMMAND, "listen", sender.endpoint, "--json", "--timeout", "30"]
        command += ["--replay-from", sender.replay, "--cursor", str(cursor)]
        desk = channel_of(sender)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            lines = []
            publishing = threading.Event()

            def publish():
                while not publishing.wait(0.01):
                    desk.publish(EMOTION)

            thread = threading.Thread(target=publish)
            thread.start()
            lines += [process.stdout.readline() for _ in range(20)]
            publishing.set()
            thread.join(10)
            first = json.loads(lines[0])["seq"]
            while json.loads(cursor.read_bytes())[0]["seq"] < first + 19:
                pass
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().splitlines()
        kept = json.loads(cursor.read_bytes())[0]["seq"]
        last = desk._seq - 1
        for _ in range(50):
            desk.publish(EMOTION)
        done = subprocess.run(
            [*command, "--count", str(last - kept + 50)], capture_output=True, text=True, timeout=30, check=True
        )
        assert json.loads(cursor.read_bytes()) == [{"stream": "desk", "session": desk.session, "seq": last + 50}]
    printed = [json.loads(line)["seq"] for line in lines]
    # The one that was printed when it was killed may come again: its number was not kept yet.
    printed = [seq for seq in printed if seq <= kept]
    assert printed + [json.loads(line)["seq"] for line in done.stdout.splitlines()] == list(range(first, last + 51))


@pytest.mark.parametrize("text", ["", "[1]", "{}", '[{"stream": "Desk", "session": "one", "seq": 1}]', "\xff"])
def test_a_damaged_cursor_is_refused_in_one_line(tmp_path, text):
    cursor = tmp_path / "cursor.json"
    cursor.write_bytes(text.encode("latin-1"))
    done = subprocess.run(
        [*COMMAND, "listen", "--replay", "--cursor", str(cursor)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"emostream: error: cursor {cursor} is damaged")
    assert len(done.stderr.splitlines()) == 1


def test_a_cursor_without_a_replay_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="replay=True"):
        Subscriber(cursor=Cursor("desk", "one", 1))
    with pytest.raises(ConfigError, match="cursor is of stream room"):
        Subscriber(stream="desk", replay=True, cursor=Cursor("room", "one", 1))
    done = run("listen", "--cursor", tmp_path / "x")
    assert done.returncode == 2
    assert "give --replay too" in done.stderr


@pytest.mark.parametrize("fields", [{}, {"stream": "desk", "session": "one", "seq": "1"}, {"stream": "desk"}])
def test_what_is_no_cursor_is_refused(fields):
    with pytest.raises(ConfigError, match="is no cursor"):
        Cursor.from_dict(fields)


def test_a_cursor_survives_json():
    cursor = Cursor("desk", "one", 412)
    assert Cursor.from_dict(json.loads(json.dumps(cursor.to_dict()))) == cursor


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://127.0.0.1:65536", "tcp://127.0.0.1"])
def test_a_bad_replay_endpoint_is_refused(leaky, endpoint):
    with pytest.raises(ConfigError, match="for a replay"), Subscriber(leaky.endpoint, replay=endpoint):
        pass
