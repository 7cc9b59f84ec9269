"""`emostream health`: what a supervisor is told."""

from __future__ import annotations

import configparser
import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import zmq
from msgspec.structs import replace

from emostream.engines.errors import ConfigError, EmostreamError
from emostream.streamer.client.health import check_health
from emostream.streamer.protocol.events import SourceStates, encode, topic
from tests.streamer.running import COMMAND, one_line_error, run
from tests.streamer.samples import EMOTION, STATUS


def status(stream="desk", state="running", audio="running", video="running"):
    return replace(STATUS, stream=stream, session="0" * 32, state=state, sources=SourceStates(audio, video))


@pytest.fixture
def saying():
    """Publish the same events again and again; gives a function that says what, and the endpoint."""
    said: list[list] = [[]]
    ended = threading.Event()
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.linger = 0
        port = socket.bind_to_random_port("tcp://127.0.0.1")

        def speak() -> None:
            while not ended.wait(0.02):
                for event in said[0]:
                    socket.send_multipart([topic(event), encode(event)])

        thread = threading.Thread(target=speak)
        thread.start()

        def say(*events):
            said[0] = list(events)
            return f"tcp://127.0.0.1:{port}"

        yield say
        ended.set()
        thread.join()


def test_all_is_well(saying):
    emotion = replace(EMOTION, stream="desk", session="0" * 32)
    endpoint = saying(emotion, status(), status("door", audio="off"), status("hall", video="ended"))
    assert check_health(endpoint, stream=None, timeout=10.0) == ["desk", "door", "hall"]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (status(video="lost"), "stream desk runs, but its camera is lost"),
        (status(audio="lost", video="waiting"), "its microphone is lost and its camera is waiting"),
        (status(state="loading"), "stream desk is still loading"),
        (status(state="ended"), "stream desk has ended"),
        (status(audio="off", video="ended"), "none of its sources do"),
    ],
)
def test_something_is_wrong(saying, event, message):
    endpoint = saying(event, status("door"))
    with pytest.raises(EmostreamError, match=message) as caught:
        check_health(endpoint, stream=None, timeout=0.5)
    assert "door" not in str(caught.value)
    assert check_health(endpoint, stream="door", timeout=10.0) == ["door"]


def test_it_waits_for_what_becomes_well(saying):
    endpoint = saying(status(state="loading"))
    threading.Timer(0.5, saying, [status()]).start()
    begun = time.monotonic()
    assert check_health(endpoint, stream="desk", timeout=10.0) == ["desk"]
    assert time.monotonic() - begun < 3.0


def test_nobody_is_there(saying):
    with pytest.raises(EmostreamError, match=r"no status from tcp://.* for 0.2 s: is emostream running there"):
        check_health(saying(), stream=None, timeout=0.2)
    with pytest.raises(EmostreamError, match=r"no status of stream desk from .* with a stream of that name\?"):
        check_health(saying(), stream="desk", timeout=0.2)
    with pytest.raises(ConfigError, match="can't subscribe"):
        check_health("nonsense", stream=None, timeout=0.2)


def test_the_command(bundle_folder, mjpeg_server, saying):
    assert "still loading" in one_line_error(run("health", saying(status(state="loading")), "--timeout", "0.5"))
    options = ["--bundle", str(bundle_folder), "--publish", "tcp://127.0.0.1:*", "--log-json"]
    command = [*COMMAND, "--camera", mjpeg_server.url, "--mic", "none", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = (json.loads(line)["message"].partition("publishing on ")[2] for line in process.stderr)
        endpoint = next(filter(None, said)).partition(",")[0]
        done = run("health", endpoint, "--stream", "default", "--timeout", "20")
        assert (done.returncode, done.stdout, done.stderr) == (0, "running: default\n", "")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    done = run("health", endpoint, "--timeout", "0.3")
    assert done.returncode == 1
    assert "no status from" in one_line_error(done)


def test_the_unit_of_systemd_says_what_the_command_takes():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(Path(__file__).parents[2] / "examples" / "emostream.service")
    service = unit["Service"]
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2")
    options = [part for part in service["ExecStart"].split() if part.startswith("--")]
    assert options
    known = run("--help").stdout
    assert all(option in known for option in options)


@pytest.mark.fault(
    "One stream of several could not open, and nobody saw it",
    "`emostream health` is asked later",
    "it is named, with exit code 1, however late",
)
def test_a_stream_of_a_fleet_that_never_opened(bundle_folder, mjpeg_server, tmp_path):
    """However late one asks: a camera that was off when the machine started must not go unnoticed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v"
    fleet = tmp_path / "fleet.toml"
    well = f'[streams.well]\ncamera = "{mjpeg_server.url}"\nmic = "none"\n'
    fleet.write_text(f'{well}[streams.gone]\ncamera = "{nobody}"\nmic = "none"\n')
    options = ["--bundle", str(bundle_folder), "--publish", "tcp://127.0.0.1:*", "--log-json"]
    command = [*COMMAND, "--config", str(fleet), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = (json.loads(line)["message"].partition("publishing on ")[2] for line in process.stderr)
        endpoint = next(filter(None, said)).partition(",")[0]
        assert run("health", endpoint, "--stream", "well", "--timeout", "20").returncode == 0
        for stream in ([], ["--stream", "gone"]):
            done = run("health", endpoint, *stream, "--timeout", "3")
            assert done.returncode == 1
            assert one_line_error(done).endswith("stream gone has ended")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
