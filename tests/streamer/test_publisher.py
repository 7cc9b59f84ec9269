"""The publisher: what goes over the wire and into the output, and how it starts, fails and stops."""

import json
import logging
import sys
import threading
import time
import uuid

import pytest
import zmq
from msgspec.structs import replace

from emostream.engines.errors import ConfigError, PublishError
from emostream.streamer.protocol.events import EmotionEvent, LatencyQuantiles, decode, encode
from emostream.streamer.publishing import publisher as publisher_module
from emostream.streamer.publishing.publisher import Publisher
from tests.streamer.samples import EMOTION, STATUS, UTTERANCE

LOOPBACK = "tcp://127.0.0.1:*"
SESSION = uuid.uuid4().hex


def emotion(media_time=0.655):
    return replace(EMOTION, media_time=media_time)


def make(endpoint=LOOPBACK, **options):
    return Publisher(endpoint, **options)


def channel_of(publisher, stream="desk"):
    return publisher.channel(stream, session=SESSION, unix_offset=1000.0)


@pytest.fixture
def bare():
    """Make bare pyzmq subscribers, connected to an endpoint, that fail after 10 s without a message."""
    sockets = []
    with zmq.Context() as context:

        def connect(endpoint):
            socket = context.socket(zmq.SUB)
            sockets.append(socket)
            socket.linger, socket.rcvtimeo, socket.rcvhwm = 0, 10_000, 100_000
            socket.subscribe(b"")
            socket.connect(endpoint)
            return socket

        yield connect
        for socket in sockets:
            socket.close()


def drain(socket, count):
    return [socket.recv_multipart() for _ in range(count)]


def test_a_bare_subscriber_gets_topic_and_json(bare):
    with make() as publisher:
        desk = channel_of(publisher)
        socket = bare(publisher.endpoint)
        publisher.wait_settled()
        before = time.monotonic()
        desk.publish(emotion(), captured_at=before - 0.2)
        desk.publish(STATUS)
        desk.publish(UTTERANCE)
        desk.publish(emotion())
        frames = drain(socket, 4)
        after = time.monotonic()
    assert [topic for topic, _ in frames] == [b"emotion/desk/", b"status/desk/", b"emotion/desk/", b"emotion/desk/"]
    first, status, utterance, last = (json.loads(message) for _, message in frames)
    assert [event["type"] for event in (first, status, utterance, last)] == [
        "emotion",
        "status",
        "utterance",
        "emotion",
    ]
    assert {event["session"] for event in (first, status, utterance, last)} == {SESSION}
    assert [first["seq"], utterance["seq"], last["seq"]] == [0, 1, 2]
    assert "seq" not in status
    assert before + 1000 <= first["published_at"] <= after + 1000
    assert 200 <= first["latency_ms"] <= 200 + (after - before) * 1000
    assert last["latency_ms"] is None


def test_streams_are_numbered_apart(bare):
    with make() as publisher:
        socket = bare(publisher.endpoint)
        publisher.wait_settled()
        desk, door = channel_of(publisher), channel_of(publisher, "door")
        for channel in (desk, door, desk, desk, door):
            channel.publish(emotion(), captured_at=time.monotonic())
        events = [decode(message) for _, message in drain(socket, 5)]
    assert [(event.stream, event.seq) for event in events] == [
        ("desk", 0),
        ("door", 0),
        ("desk", 1),
        ("desk", 2),
        ("door", 1),
    ]


def test_numbers_have_no_gaps_when_many_threads_publish(bare):
    def work(desk):
        for _ in range(200):
            desk.publish(emotion())
            desk.publish(STATUS)

    with make() as publisher:
        desk = channel_of(publisher)
        socket = bare(publisher.endpoint)
        publisher.wait_settled()
        threads = [threading.Thread(target=work, args=(desk,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        events = [decode(message) for _, message in drain(socket, 8 * 400)]
        for thread in threads:
            thread.join()
    assert [event.seq for event in events if isinstance(event, EmotionEvent)] == list(range(1600))
    assert desk.dropped == 0


def test_the_output_holds_the_events_received_but_no_status(bare, tmp_path):
    path = tmp_path / "events.jsonl"
    with make(output=path) as publisher:
        desk = channel_of(publisher)
        socket = bare(publisher.endpoint)
        publisher.wait_settled()
        for _ in range(50):
            desk.publish(emotion(), captured_at=time.monotonic())
            desk.publish(STATUS)
        desk.publish(UTTERANCE)
        messages = [message for topic, message in drain(socket, 101) if topic.startswith(b"emotion/")]
    assert path.read_bytes() == b"".join(message + b"\n" for message in messages)


def test_the_output_is_written_line_by_line_and_appended(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"cut short')  # which can't be read, and goes
    sent = threading.Semaphore(0)
    with make(output=str(path), on_event=lambda event: sent.release()) as publisher:
        desk = channel_of(publisher)
        desk.publish(emotion())
        assert sent.acquire(timeout=10)
        line, rest = path.read_bytes().split(b"\n")
        assert decode(line).seq == 0
        assert rest == b""


def test_the_output_may_be_standard_output(capfdbinary):
    with make(output="-") as publisher:
        desk = channel_of(publisher)
        desk.publish(emotion())
        desk.publish(STATUS)
        desk.publish(UTTERANCE)
    events = [decode(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [(event.type, event.seq) for event in events] == [("emotion", 0), ("utterance", 1)]


def test_an_output_in_a_missing_folder_is_refused_and_frees_the_port(tmp_path):
    with make() as first:
        endpoint = first.endpoint
    publisher = make(endpoint, output=tmp_path / "missing" / "events.jsonl")
    with pytest.raises(PublishError, match="missing"):
        publisher.start()
    with make(endpoint):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")
def test_a_full_disk_is_reported_once_and_publishing_goes_on(bare, caplog):
    with caplog.at_level(logging.WARNING, "emostream"), make(output="/dev/full") as publisher:
        desk = channel_of(publisher)
        socket = bare(publisher.endpoint)
        publisher.wait_settled()
        for _ in range(5):
            desk.publish(emotion())
        assert [decode(message).seq for _, message in drain(socket, 5)] == list(range(5))
    assert publisher.output_failures == 5
    assert len([record for record in caplog.records if "/dev/full" in record.getMessage()]) == 1


def test_a_port_in_use_is_named_with_its_remedy():
    with make() as first, pytest.raises(PublishError) as caught:
        make(first.endpoint).start()
    assert first.endpoint in str(caught.value)
    assert "another emostream may run; choose another with --publish" in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("nonsense", ConfigError),
        ("", ConfigError),
        ("foo://bar", ConfigError),
        ("tcp://127.0.0.1", ConfigError),
        ("tcp://127.0.0.1:65536", ConfigError),
        ("tcp://192.0.2.1:5557", PublishError),
        ("ipc:///no/such/x", PublishError),
    ],
)
def test_bad_endpoints_are_refused_at_once(endpoint, kind):
    with pytest.raises(kind, match="--publish") as caught:
        make(endpoint, insecure=True).start()
    assert f"can't publish on {endpoint}:" in str(caught.value)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:0", "tcp://127.0.0.1:*"])
def test_a_wildcard_port_becomes_a_real_one(endpoint):
    publisher = make(endpoint)
    assert publisher.endpoint == endpoint
    with publisher:
        assert int(publisher.endpoint.rpartition(":")[2]) > 0


def test_a_bad_stream_name_is_refused():
    with pytest.raises(ConfigError, match="stream name"):
        channel_of(make(), "Desk/")


def test_the_constructor_opens_nothing(tmp_path):
    path = tmp_path / "events.jsonl"
    publisher = make(output=path)
    desk = channel_of(publisher)
    assert not path.exists()
    publisher.stop()
    with pytest.raises(PublishError, match="isn't running"):
        desk.publish(emotion())


def test_stop_sends_everything_and_ends_the_thread(bare):
    publisher = make().start()
    desk = channel_of(publisher)
    socket = bare(publisher.endpoint)
    publisher.wait_settled()
    for _ in range(3000):
        desk.publish(emotion())
    publisher.stop()
    publisher.stop()
    assert "publisher" not in [thread.name for thread in threading.enumerate()]
    assert [decode(message).seq for _, message in drain(socket, 3000)] == list(range(3000))
    with pytest.raises(PublishError, match="isn't running"):
        desk.publish(emotion())
    with pytest.raises(RuntimeError, match="once"):
        publisher.start()


def test_a_failing_listener_ends_publishing_loudly():
    def listener(event):
        raise KeyError("listener")

    publisher = make(on_event=listener).start()
    desk = channel_of(publisher)
    desk.publish(emotion())
    publisher._thread.join(10)
    with pytest.raises(PublishError, match="KeyError: 'listener'") as caught:
        desk.publish(emotion())
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(PublishError, match="KeyError: 'listener'"):
        publisher.stop()


def test_an_event_that_is_not_json_ends_publishing_loudly():
    with pytest.raises(PublishError, match="TypeError"), make() as publisher:
        channel_of(publisher).publish(emotion(media_time=object()))


def test_the_listener_gets_what_was_sent(bare):
    heard = []
    with make(on_event=heard.append) as publisher:
        desk = channel_of(publisher)
        socket = bare(publisher.endpoint)
        publisher.wait_settled()
        desk.publish(emotion())
        desk.publish(STATUS)
        messages = [message for _, message in drain(socket, 2)]
    assert [encode(event) for event in heard] == messages


def test_a_full_queue_blocks_and_then_counts_the_drop(monkeypatch, caplog):
    monkeypatch.setattr(publisher_module, "QUEUE_SIZE", 3)
    monkeypatch.setattr(publisher_module, "PUT_TIMEOUT_S", 0.05)
    entered, release = threading.Event(), threading.Event()

    def listener(event):
        entered.set()
        assert release.wait(10)

    heard = []
    with make(on_event=lambda event: (listener(event), heard.append(event.seq))) as publisher:
        desk = channel_of(publisher)
        desk.publish(emotion())
        assert entered.wait(10)
        for _ in range(3):
            desk.publish(emotion())
        assert publisher.queued == 3
        assert desk.dropped == 0
        desk.publish(emotion())
        desk.publish(emotion())
        assert desk.dropped == 2
        release.set()
    assert heard == [0, 1, 2, 3]
    assert caplog.text.count("queue is full") == 1


def test_stopping_never_waits_for_ever(caplog):
    release = threading.Event()
    publisher = make(on_event=lambda event: release.wait(10)).start()
    desk = channel_of(publisher)
    desk.publish(emotion())
    desk.publish(emotion())
    started = time.monotonic()
    publisher.stop(timeout=0.1)
    assert time.monotonic() - started < 5
    assert "didn't end" in caplog.text
    release.set()
    publisher._thread.join(10)


def test_latency_quantiles():
    with make() as publisher:
        desk = channel_of(publisher)
        assert desk.latency_quantiles() is None
        desk._latencies.extend(float(latency) for latency in range(100, 0, -1))
        assert desk.latency_quantiles() == LatencyQuantiles(50.0, 95.0, 99.0, 100.0)
        desk._latencies.extend([7.0] * 1000)
        assert desk.latency_quantiles() == LatencyQuantiles(7.0, 7.0, 7.0, 7.0)


def test_wait_settled_counts_from_the_bind():
    with make() as publisher:
        bound = publisher._bound_at
        publisher.wait_settled(0.2)
        assert time.monotonic() - bound >= 0.2
        again = time.monotonic()
        publisher.wait_settled(0.2)
        assert time.monotonic() - again < 0.15
