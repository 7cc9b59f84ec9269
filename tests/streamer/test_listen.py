"""The command `emostream listen`: its lines, its notices, and its quiet ends."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zmq
from msgspec.structs import replace

from emostream.engines.errors import ConfigError
from emostream.streamer.client.print_events import event_line, listen
from emostream.streamer.protocol.events import BundleInfo, Reasons, decode, encode, topic
from tests.streamer.samples import EMOTION, STATUS, UTTERANCE

ROOT = Path(__file__).parents[2]


def emotion(seq=0, session="one"):
    return replace(EMOTION, stream="desk", session=session, seq=seq, latency_ms=86.4)


SPOKEN = replace(UTTERANCE, stream="desk", session="one", seq=1)


def status(trained, session="one"):
    bundle = None if trained is None else BundleInfo("demo", "compact", trained, "00ff")
    return replace(STATUS, stream="desk", session=session, bundle=bundle)


@pytest.fixture
def sender():
    """An XPUB socket, since that one tells when a subscriber has arrived."""
    with zmq.Context() as context:
        socket = context.socket(zmq.XPUB)
        socket.linger, socket.rcvtimeo, socket.xpub_verbose = 1000, 10_000, True
        socket.bind("tcp://127.0.0.1:*")
        yield socket
        context.destroy()


def send(socket, *events):
    for event in events:
        socket.send_multipart([topic(event), encode(event)])


def run(socket, *events, **options):
    """Listen to the events and give the exit status."""

    def feed():
        assert {socket.recv(), socket.recv()} == {b"\x01emotion/", b"\x01status/"}
        send(socket, *events)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        return listen(socket.get_string(zmq.LAST_ENDPOINT), timeout=10, **options)
    finally:
        thread.join(10)


def test_one_line_an_event(sender, capsys):
    assert run(sender, status(trained=True), emotion(0), SPOKEN, count=2) == 0
    output = capsys.readouterr()
    first, second = output.out.splitlines()
    clock = r"\d\d:\d\d:\d\d\.\d{3}"
    assert re.fullmatch(clock + r"  desk  joy 81% by video  no audio \(no voice\), video  86 ms", first)
    assert re.fullmatch(clock + r"  desk  joy 81% by audio  \(utterance 37: 2\.5 s, 7 segments\)", second)
    assert output.err == ""


def test_neither_face_nor_voice_is_said():
    event = replace(
        emotion(), label=None, scores=None, head=None, latency_ms=None, reason=Reasons("source_lost", "no_face")
    )
    assert event_line(event).endswith("desk  nothing  no audio (source lost), no video (no face)")


def test_what_a_terminal_would_obey_is_written_out(sender, capsys):
    run(sender, replace(emotion(), label="\x1b[31mjoy\n", scores={"\x1b[31mjoy\n": 0.8}), count=1)
    assert r"desk  \x1b[31mjoy\n 80% by" in capsys.readouterr().out


def test_a_time_beyond_all_calendars_is_printed_as_a_number():
    assert event_line(replace(emotion(), t_end=1e300)).startswith("1e+300  desk")


def test_json_lines_are_what_came(sender, capsys):
    raw = encode(emotion(0))[:-1] + b',"added_later":1}'
    extra = [status(trained=True), emotion(0), emotion(2)]

    def feed():
        sender.recv(), sender.recv()
        sender.send_multipart([topic(extra[1]), raw])
        send(sender, extra[0], extra[2])

    thread = threading.Thread(target=feed)
    thread.start()
    assert listen(sender.get_string(zmq.LAST_ENDPOINT), json_lines=True, timeout=10, count=2) == 0
    thread.join(10)
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0] == raw.decode()
    assert decode(lines[1].encode()) == emotion(2)
    assert "missed 1 events" in output.err


def test_gaps_and_new_sessions_are_printed(sender, capsys):
    run(sender, emotion(0), emotion(3), emotion(0, "two"), count=3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "-- desk: missed 2 events from number 1 on"
    assert lines[3] == "-- desk: a new session started (two)"


def test_random_weights_are_said_to_mean_nothing(sender, capsys):
    run(sender, status(None), status(False), emotion(0), status(False), emotion(1), count=2)
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 2
    assert output.out.count("class joy") == 2
    assert output.err == (
        "warning: stream desk: the bundle is untrained: its scores come from random weights and mean nothing\n"
    )


def test_a_new_session_may_have_another_bundle(sender, capsys):
    run(sender, status(False), emotion(0), emotion(0, "two"), status(True, "two"), emotion(1, "two"), count=3)
    words = [line.split("  ")[2].split()[0] for line in capsys.readouterr().out.splitlines() if "joy" in line]
    assert words == ["class", "joy", "joy"]


def test_one_stream_alone(sender, capsys):
    def feed():
        assert {sender.recv(), sender.recv()} == {b"\x01emotion/desk/", b"\x01status/desk/"}
        send(sender, replace(emotion(0), stream="desk2"), emotion(0))

    thread = threading.Thread(target=feed)
    thread.start()
    listen(sender.get_string(zmq.LAST_ENDPOINT), stream="desk", timeout=10, count=1)
    thread.join(10)
    assert "desk2" not in capsys.readouterr().out


def test_a_time_out_is_raised(sender):
    with pytest.raises(TimeoutError, match="is emostream running there"):
        listen(sender.get_string(zmq.LAST_ENDPOINT), timeout=0.1)


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="can't subscribe"):
        listen("nonsense")
    with pytest.raises(ConfigError, match="stream name"):
        listen("tcp://127.0.0.1:5557", stream="Desk")


def start_process(socket):
    endpoint = socket.get_string(zmq.LAST_ENDPOINT)
    call = f"listen({endpoint!r}, json_lines=True, timeout=30)"
    code = f"import sys; from emostream.streamer.client.print_events import listen; sys.exit({call})"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    socket.recv(), socket.recv()
    send(socket, emotion(0))
    assert json.loads(process.stdout.readline())["seq"] == 0
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a single process")
def test_ctrl_c_ends_quietly(sender):
    with start_process(sender) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports a closed pipe differently")
def test_a_closed_pipe_ends_quietly(sender):
    with start_process(sender) as process:
        process.stdout.close()
        send(sender, emotion(1))
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""
