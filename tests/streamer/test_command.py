"""What users get: help, refusals in one line, a clean stop, and a subscriber that misses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zmq

from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import EmotionEvent, StatusEvent, UtteranceEvent
from emostream.streamer.protocol.replay import replay_endpoint
from tests.media_files import write_media
from tests.streamer.running import COMMAND, demo_clip, one_line_error, run


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_help_names_every_option():
    done = run("--help")
    assert done.returncode == 0
    for option in (
        "--camera",
        "--mic",
        "--input",
        "--bundle",
        "--engine",
        "--publish",
        "--replay",
        "--stream",
        "--output",
        "--view",
        "--fast",
        "--duration",
        "--av-offset-ms",
        "--config",
        "listen",
        "devices",
        "Exit codes",
    ):
        assert option in done.stdout


def test_version():
    assert run("--version").stdout.startswith("emostream 0.")


def test_devices_lists_or_says_why_not():
    done = run("devices")
    assert done.returncode == 0
    assert "Cameras (--camera):" in done.stdout
    assert "Microphones (--mic):" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--camera", "77"], "camera 77 can't be opened"),
        (["--camera", "/dev/video77"], "camera /dev/video77 can't be opened"),
        (["--camera", "none", "--mic", "no such thing"], "no such thing"),
        (["--camera", "none", "--mic", "none"], "leave nothing to watch or to hear"),
        (["--input", "nowhere.mp4"], "nowhere.mp4 does not exist; check its path"),
        (["--input", "no\nwhere\x1b[31m.mp4"], r"no\nwhere\x1b[31m.mp4 does not exist"),
        (["--camera", "-1"], "--camera is -1, expected 0 or more; `emostream devices` lists cameras"),
        (["--record", ""], "--record is empty, as from a variable that is not set"),
        (["--input="], "--input is empty, as from a variable that is not set"),
        (["--input", "file:{clip}", "--output", "{clip}"], "is what is played; expected a file for the events"),
        (["--input", "/dev/null"], "/dev/null is a pipe or a device, which can be read once only"),
        (["--camera", "nowhere.mp4"], "nowhere.mp4 does not exist"),
        (["--mic", "nowhere.wav"], "nowhere.wav does not exist"),
        (["--input", "{text}"], "is no audio or video that can be read"),
        (["--input", "{folder}"], "can't be opened"),
        (["--mic", "{silent}"], "has no audio track"),
        (["--input", "http://user:secret@127.0.0.1:9/x.mp4"], "http://127.0.0.1:9/x.mp4 can't be opened"),
        (["--input", "{clip}", "--camera", "0"], "leave out --camera and --mic"),
        (["--input", "{clip}", "--engine", "cuda"], "expected one of auto, openvino, onnxruntime"),
        (["--input", "{clip}", "--precision", "int3"], "expected auto, bf16, fp16, fp32"),
        (["--input", "{clip}", "--stream", "My Desk"], "My Desk"),
        (["--input", "{clip}", "--duration", "-1"], "expected seconds above 0"),
        (["--input", "{clip}", "--av-offset-ms", "9e9"], "expected -2000 to 2000"),
        (["--input", "{clip}", "--publish", "nonsense"], "nonsense"),
        (["--input", "{clip}", "--output", "/nowhere/events.jsonl"], "/nowhere/events.jsonl"),
        (["--input", "{clip}", "--face-model", "none.onnx"], "none.onnx does not exist"),
        (["--input", "{clip}", "--view", "--output", "-"], "leave out one of them"),
        (["--input", "{clip}", "--no-such-option"], "no-such-option"),
        (["--input", "{clip}", "--duration", "long"], "--duration"),
        (["nonsense"], "nonsense"),
    ],
)
def test_refusals(tmp_path, clip, bundle_folder, options, message):
    text = tmp_path / "text.mp4"
    text.write_text("no film\n" * 50)
    silent = write_media(tmp_path / "silent.mkv", seconds=0.5)
    names = {"{text}": text, "{clip}": clip, "{folder}": tmp_path, "{silent}": silent}
    filled = [next((o.replace(name, str(value)) for name, value in names.items() if name in o), o) for o in options]
    error = one_line_error(run(*filled, "--bundle", bundle_folder))
    assert message in error
    assert "secret" not in error


def test_a_damaged_bundle(tmp_path, clip, bundle_folder):
    folder = Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))
    (folder / "video.onnx").write_bytes(b"")
    assert "video.onnx has SHA-256" in one_line_error(run("--input", clip, "--bundle", folder))
    assert "does not exist" in one_line_error(run("--input", clip, "--bundle", tmp_path / "none"))


def test_a_pipe_that_nobody_reads(tmp_path, clip, bundle_folder):
    os.mkfifo(tmp_path / "pipe")
    error = one_line_error(run("--input", clip, "--bundle", bundle_folder, "--output", tmp_path / "pipe", timeout=20))
    assert "can't write events to" in error


def test_closed_and_full_outputs():
    for redirection, code in ((">&-", 0), (">/dev/full", 1)):
        shell = f"{' '.join(COMMAND)} devices {redirection}"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_a_port_in_use(clip, bundle_folder):
    with zmq.Context() as context, context.socket(zmq.PUB) as taken:
        number = taken.bind_to_random_port("tcp://127.0.0.1")
        error = one_line_error(
            run("--input", clip, "--bundle", bundle_folder, "--publish", f"tcp://127.0.0.1:{number}")
        )
    assert "already in use" in error
    assert "--publish" in error


def test_a_replay_port_in_use(clip, bundle_folder, tmp_path):
    with zmq.Context() as context, context.socket(zmq.PUB) as taken:
        number = taken.bind_to_random_port("tcp://127.0.0.1")
        options = ["--publish", f"ipc://{tmp_path}/events", "--replay", f"tcp://127.0.0.1:{number}"]
        error = one_line_error(run("--input", clip, "--bundle", bundle_folder, *options))
    assert "already in use" in error
    assert "--replay" in error


def test_a_session_without_a_replay_says_nothing_of_one(clip, bundle_folder):
    done = run("--input", clip, "--bundle", bundle_folder, "--fast", "--duration", 1, "--replay", "none")
    assert done.returncode == 0
    assert "publishing on tcp://127.0.0.1:" in done.stderr
    assert "replay" not in done.stderr


def test_fast_needs_files(bundle_folder, mjpeg_server):
    error = one_line_error(run("--camera", mjpeg_server.url, "--mic", "none", "--fast", "--bundle", bundle_folder))
    assert "is live; leave out --fast" in error


def test_an_untrained_bundle_is_warned_of(clip, bundle_folder):
    done = run("--input", clip, "--bundle", bundle_folder, "--fast", "--duration", 1)
    assert done.returncode == 0
    assert "is untrained: its weights are random, and its scores mean nothing" in done.stderr
    assert "emotion" not in done.stdout


def test_without_portaudio_it_says_what_to_install(tmp_path, bundle_folder):
    # What sounddevice raises where the library is missing.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = run("--camera", "none", "--mic", "default", "--bundle", bundle_folder, env=environment)
    error = one_line_error(done)
    assert "apt install libportaudio2" in error
    assert "brew install portaudio" in error


def test_a_waiting_subscriber_misses_nothing_of_a_fast_file(clip, bundle_folder, port, tmp_path):
    endpoint = f"tcp://127.0.0.1:{port}"
    received: list[bytes] = []

    def subscribe() -> None:
        with Subscriber(endpoint, status=True, timeout=30.0) as subscriber:
            for event in subscriber:
                if isinstance(event, StatusEvent):
                    if event.state == "ended":
                        return
                else:
                    received.append(subscriber.message)

    output = tmp_path / "events.jsonl"
    thread = threading.Thread(target=subscribe, daemon=True)
    thread.start()
    done = run("--input", clip, "--bundle", bundle_folder, "--fast", "--publish", endpoint, "--output", output)
    assert done.returncode == 0, done.stderr
    thread.join(10)
    assert received == output.read_bytes().splitlines()
    assert len(received) > 30


def test_ten_lines_of_bare_pyzmq_will_do(clip, bundle_folder, port):
    script = Path(__file__).parents[2] / "examples" / "subscribe_bare.py"
    code = script.read_text().replace("tcp://127.0.0.1:5557", f"tcp://127.0.0.1:{port}")
    subscriber = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        done = run("--input", clip, "--bundle", bundle_folder, "--fast", "--publish", f"tcp://127.0.0.1:{port}")
        assert done.returncode == 0
        assert "class-" in subscriber.stdout.readline()
    finally:
        subscriber.kill()
        subscriber.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_within_a_second(clip, bundle_folder, port, tmp_path, number):
    output = tmp_path / "events.jsonl"
    endpoint = f"tcp://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *COMMAND,
            "--input",
            str(clip),
            "--bundle",
            str(bundle_folder),
            "--publish",
            endpoint,
            "--output",
            str(output),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    with Subscriber(endpoint, status=True, timeout=20.0) as subscriber:
        events = []
        for event in subscriber:
            events.append(event)
            spoken = isinstance(event, EmotionEvent) and event.utterance is not None
            if spoken and event.utterance.pools.audio >= 2 and process.poll() is None:
                break
        process.send_signal(number)
        begun = time.monotonic()
        while not isinstance(events[-1], StatusEvent) or events[-1].state != "ended":
            events.append(subscriber.receive())
        _, stderr = process.communicate(timeout=10)
        took = time.monotonic() - begun
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert took < 2.0  # a second on an idle machine
    last = [e for e in events if not isinstance(e, StatusEvent)][-1]
    assert isinstance(last, UtteranceEvent)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(last.seq + 1))


def test_a_signal_stops_it_while_a_server_keeps_it_waiting(bundle_folder):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/live"
        process = subprocess.Popen(
            [*COMMAND, "--camera", url, "--mic", "none", "--bundle", str(bundle_folder), "--publish", "tcp://127.0.0.1:*"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        connection, _ = silent.accept()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
    assert time.monotonic() - begun < 2.0
    connection.close()
    assert "error" not in stderr


def test_status(clip, bundle_folder, port):
    endpoint = f"tcp://127.0.0.1:{port}"
    process = subprocess.Popen(
        [*COMMAND, "--input", str(clip), "--bundle", str(bundle_folder), "--publish", endpoint, "--duration", "4"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with Subscriber(endpoint, status=True, timeout=20.0) as subscriber:
        states = []
        while not states or states[-1].state != "ended":
            event = subscriber.receive()
            if isinstance(event, StatusEvent):
                states.append(event)
    _, said = process.communicate(timeout=10)
    running = [s for s in states if s.state == "running"]
    assert 2 <= len(running) <= 8
    late = running[-1]
    assert late.engine.name == "openvino"
    assert (late.bundle.trained, late.bundle.preset) == (False, "compact")
    assert late.rates.frames_per_s > 10
    assert late.rates.audio_per_s == pytest.approx(1.0, abs=0.4)
    assert late.levels.audio_dbfs is not None
    assert late.latency_ms.p50 > 0
    assert {"wait", "queue", "inference", "publish", "vision"} <= set(late.stages_ms)
    assert {"audio", "frames", "faces", "segments", "events"} <= set(late.queues)
    assert late.sources.audio == "running"
    assert late.replay == replay_endpoint(endpoint)
    assert f"publishing on {endpoint}, replay on {late.replay}" in said


def test_view_draws_in_a_terminal(clip, bundle_folder):
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--input", str(clip), "--bundle", str(bundle_folder), "--view", "--publish", "tcp://127.0.0.1:*"],
        stdout=slave, stderr=subprocess.PIPE, env=os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )  # fmt: skip
    os.close(slave)
    drawn = b""
    try:
        while chunk := os.read(master, 65536):
            drawn += chunk
    except OSError:  # the terminal closes with the process
        pass
    assert process.wait(20) == 0
    for text in (b"class-6", b"face", b"voice", b"latency", b"UNTRAINED", b"frames/s"):
        assert text in drawn


def test_a_terminal_shows_label_changes_and_no_emotions(clip, bundle_folder):
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--input", str(clip), "--bundle", str(bundle_folder), "--fast", "--publish", "tcp://127.0.0.1:*"],
        stdout=slave, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(slave)
    drawn = b""
    try:
        while chunk := os.read(master, 65536):
            drawn += chunk
    except OSError:
        pass
    assert process.wait(20) == 0
    assert b"class (untrained): class-" in drawn
    assert b"emotion" not in drawn
