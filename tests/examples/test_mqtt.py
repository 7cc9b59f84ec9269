"""The MQTT bridge on a real broker: everything as it was published, and nothing lost when one of them dies."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emostream.streamer.protocol.events import EmotionEvent, encode
from tests.examples.broadcast import EXAMPLES, Broadcast, Result, contiguous, running
from tests.programs import needed

mqtt = pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")

SHOWN = 60


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


class Mosquitto:
    """A broker that keeps what it was given while it is away; `more` are lines of its configuration."""

    def __init__(self, folder: Path, more: str = "allow_anonymous true") -> None:
        needed("mosquitto", package="Debian's mosquitto")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\n{more}\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {folder}/\nuser root\n"
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Listener:
    """A client that keeps its subscription while it or the broker is away."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        client = self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="test", clean_session=False)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda *_: client.subscribe("lab/#", qos=1)
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = lambda _c, _d, m: self.messages.append((m.topic, m.payload, m.retain))
        client.connect("127.0.0.1", port)
        client.loop_start()
        assert self._subscribed.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def on(self, *topics: str) -> list[bytes]:
        return [payload for topic, payload, _ in list(self.messages) if topic in topics]

    @property
    def events(self) -> list[bytes]:
        return self.on("lab/default/emotion", "lab/default/utterance")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    listener = Listener(broker.port)
    yield listener
    listener.close()


def command(broadcast: Broadcast, broker: Mosquitto, *more: object) -> list[object]:
    bridge = EXAMPLES / "mqtt_bridge.py"
    return [sys.executable, bridge, broadcast.endpoint, "--port", broker.port, "--prefix", "lab", *more]


def test_everything_is_handed_on(broker: Mosquitto, listener: Listener, events: list[Result], tmp_path: Path):
    with Broadcast(events, f"ipc://{tmp_path}/events", replay=f"ipc://{tmp_path}/events-replay") as broadcast:
        with running(*command(broadcast, broker)) as bridge:
            bridge.wait_for(lambda: len(listener.events) >= SHOWN)
            bridge.process.kill()
            bridge.process.wait(10)
        wait_for(lambda: listener.on("lab/bridge")[-1:] == [b"offline"])
    assert contiguous(listener.events, [encode(event) for event in broadcast.sent])
    assert listener.on("lab/bridge") == [b"online", b"offline"]
    each = [event["label"] or "none" for event in map(json.loads, listener.on("lab/default/emotion"))]
    changes = [label.encode() for label, _ in itertools.groupby(each)]
    assert listener.on("lab/default/label") in (changes, changes[:-1])  # it was killed at any moment
    assert len(set(changes)) > 3
    assert bridge.errors == []

    late = Listener(broker.port)  # who comes later learns the label of now
    wait_for(lambda: late.on("lab/default/label"))
    late.close()
    assert late.on("lab/default/label")[0] == listener.on("lab/default/label")[-1]


def test_nothing_is_lost_where_broker_and_bridge_die(
    broker: Mosquitto, listener: Listener, events: list[Result], tmp_path: Path
):
    """The broker goes away and comes back, then the bridge; at the end everything is there, in order."""
    cursor = tmp_path / "cursor.json"
    with Broadcast(events, f"ipc://{tmp_path}/events", replay=f"ipc://{tmp_path}/events-replay") as broadcast:
        with running(*command(broadcast, broker, "--cursor", cursor)) as bridge:
            bridge.wait_for(lambda: len(listener.events) >= 5)
            broker.stop()
            before = len(broadcast.sent)
            bridge.wait_for(lambda: len(broadcast.sent) >= before + 20)
            broker.start()
            bridge.wait_for(lambda: len(set(listener.events)) >= before + 20)
            bridge.process.kill()
            bridge.process.wait(10)
        with running(*command(broadcast, broker, "--cursor", cursor)) as bridge:
            bridge.wait_for(lambda: len(set(listener.events)) >= before + 60)
            broadcast.stop()
            bridge.wait_for(lambda: listener.events[-1:] == [encode(broadcast.sent[-1])])
    numbers = [json.loads(message)["seq"] for message in dict.fromkeys(listener.events)]
    assert numbers == list(range(numbers[0], len(broadcast.sent)))
    assert all(isinstance(event, EmotionEvent) or event.type == "utterance" for event in broadcast.sent)


def run_openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)


def test_an_encrypted_broker_with_passwords(events: list[Result], tmp_path: Path):
    """With the right password events go through; with a wrong one the broker's answer is said."""
    needed("mosquitto", "mosquitto_passwd", package="Debian's mosquitto")
    needed("openssl", package="Debian's openssl")
    key, certificate, passwords = tmp_path / "broker.key", tmp_path / "broker.pem", tmp_path / "passwords"
    curve = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    run_openssl("req", "-x509", "-newkey", *curve, "-nodes", "-days", 2, "-keyout", key, "-out", certificate, *names)
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "lab", "secret"], check=True, capture_output=True)
    broker = Mosquitto(
        tmp_path, f"allow_anonymous false\npassword_file {passwords}\ncertfile {certificate}\nkeyfile {key}"
    )
    broker.start()
    try:
        with Broadcast(events, f"ipc://{tmp_path}/events", replay=f"ipc://{tmp_path}/events-replay") as broadcast:
            command_line = command(broadcast, broker, "--broker", "localhost", "--tls", "--user", "lab")
            trusted = {"SSL_CERT_FILE": str(certificate)}
            with running(*command_line, env=trusted | {"MQTT_PASSWORD": "wrong"}) as bridge:
                bridge.wait_for(lambda: "broker: Not authorized" in bridge.lines)
            cursor = tmp_path / "cursor.json"
            with running(*command_line, "--cursor", cursor, env=trusted | {"MQTT_PASSWORD": "secret"}) as bridge:
                bridge.wait_for(cursor.exists)  # it is written once the broker has confirmed an event
    finally:
        broker.stop()
    assert bridge.lines == ["broker: Success"]
    assert bridge.errors == []
