"""The bridges to other tools, each with a real receiver on this machine."""

from __future__ import annotations

import math
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from emostream.engines.errors import ConfigError
from emostream.streamer.bridges.osc import OscBridge
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import EmotionEvent, Pools, ResultEvent, UtteranceRef
from tests.streamer.running import COMMAND, demo_clip, one_line_error, run
from tests.streamer.samples import EMOTION, UTTERANCE

pythonosc = pytest.importorskip("pythonosc.osc_server", reason="needs the extra lab")
LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")


class Receiver:
    """An OSC server that keeps what it gets, in order."""

    def __init__(self) -> None:
        from pythonosc.dispatcher import Dispatcher

        self.messages: list[tuple[str, tuple]] = []
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *values: self.messages.append((address, values)))
        self.server = pythonosc.BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.target = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def until(self, count: int) -> list[tuple[str, tuple]]:
        until = time.monotonic() + 10
        while len(self.messages) < count:
            assert time.monotonic() < until, self.messages
            time.sleep(0.01)
        return self.messages[:count]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_osc_says_what_the_event_says(receiver):
    event = replace(
        EMOTION,
        stream="desk",
        latency_ms=42.5,
        face=(64, 48, 320, 240),
        frame_size=(640, 480),
        utterance=UtteranceRef(3, 1.0, Pools(1, 1, 1)),
    )
    nobody = replace(event, label=None, scores=None, head=None, segment=None, utterance=None, face=None)
    with OscBridge(receiver.target) as bridge:
        bridge.on_event(event)
        bridge.on_event(nobody)
    got = receiver.until(8 + len(event.scores))
    of = dict(got[: 5 + len(event.scores)])
    assert of["/emostream/desk/label"] == (event.label,)
    assert of["/emostream/desk/score"] == pytest.approx((event.scores[event.label],))
    for label, score in event.scores.items():
        assert of[f"/emostream/desk/scores/{label}"] == pytest.approx((score,))
    assert of["/emostream/desk/face"] == pytest.approx((0.1, 0.1, 0.5, 0.5))
    assert of["/emostream/desk/latency"] == pytest.approx((42.5,))
    assert of["/emostream/desk/speaking"] == (1,)
    absent = dict(got[5 + len(event.scores) :])
    assert absent["/emostream/desk/label"] == ("",)
    assert absent["/emostream/desk/speaking"] == (0,)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("7000", "expected HOST:PORT"),
        ("host:", "expected HOST:PORT"),
        ("127.0.0.1:70000", "expected HOST:PORT"),
        ("no-such-host.invalid:7000", "there is no such host"),
    ],
)
def test_osc_targets_that_are_none(target, said):
    with pytest.raises(ConfigError, match=said), OscBridge(target):
        pass


def test_the_command_refuses_a_wrong_target():
    done = run("--camera", "none", "--osc", "nowhere")
    assert done.returncode == 2
    assert "--osc is nowhere, expected HOST:PORT" in one_line_error(done)


def test_osc_tells_of_an_utterance(receiver):
    with OscBridge(receiver.target) as bridge:
        bridge.on_event(replace(UTTERANCE, stream="desk", label="joy", scores={"joy": 0.75, "anger": 0.25}))
    assert receiver.until(1) == [("/emostream/desk/utterance", ("joy", pytest.approx(0.75)))]


def test_nobody_who_listens_is_no_failure():
    with OscBridge("127.0.0.1:9") as bridge:
        for _ in range(3):
            bridge.on_event(EMOTION)


def test_a_session_with_both(receiver, tmp_path):
    """Real events of the starter, by ZeroMQ, OSC, and LSL at once; LSL's times are those of capture."""
    pylsl = pytest.importorskip("pylsl", reason="needs the extra lab", exc_type=Exception)
    clip, endpoint = demo_clip(tmp_path, 6.0), f"ipc://{tmp_path}/events"
    options = ["--input", clip, "--publish", endpoint, "--stream", "lab", "--osc", receiver.target, "--lsl"]
    process = subprocess.Popen([*COMMAND, *map(str, options)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    offset = time.time() - pylsl.local_clock()  # Unix time minus LSL's
    with Subscriber(endpoint, timeout=30.0) as subscriber:
        inlets = []
        for kind in ("scores", "labels"):
            (found, *_) = pylsl.resolve_byprop("name", f"emostream-lab-{kind}", timeout=20.0)
            inlets.append(pylsl.StreamInlet(found))
            inlets[-1].open_stream(timeout=10.0)
        events = [subscriber.receive() for _ in range(10)]
        scores, markers = inlets
        samples = [scores.pull_sample(timeout=10.0) for _ in range(8)]
        marker, _ = markers.pull_sample(timeout=10.0)
        info = scores.info()
    process.terminate()
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
    described = info.desc().child("channels").child("channel")
    names = []
    while not described.empty():
        names.append(described.child_value("label"))
        assert described.child_value("unit") == "probability"
        described = described.next_sibling()
    assert sorted(names) == sorted(LABELS)
    assert info.type() == "Emotion"
    emotions = [event for event in events if isinstance(event, EmotionEvent)]
    matched = 0
    for values, at in samples:
        near = [event for event in emotions if abs(event.t_end - offset - at) < 0.001]
        for event in near:
            expected = [(event.scores or {}).get(name, math.nan) for name in names]
            assert values == pytest.approx(expected, abs=1e-6, nan_ok=True)
            matched += 1
    assert matched >= 5
    assert marker[0] in (*LABELS, "none")
    labels = [values[0] for address, values in receiver.messages if address == "/emostream/lab/label"]
    for event in emotions:
        assert (event.label or "") in labels
    assert any(isinstance(event, ResultEvent) for event in events)
