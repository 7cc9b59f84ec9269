"""Several streams in one process, on one engine, as the command."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from emostream.streamer.config_file import read_config_file
from tests.media_files import write_media
from tests.streamer.running import COMMAND, deterministic, emotions, events_of, one_line_error, run

SECONDS = 4.0


@pytest.fixture(scope="module")
def voices(tmp_path_factory) -> dict[str, Path]:
    from emostream.trainer.actors.clip import Line, write_clip

    folder = tmp_path_factory.mktemp("fleet")
    for name, actor, label in (("desk", 1, "joy"), ("door", 2, "anger"), ("hall", 3, "sadness")):
        write_clip(folder / f"{name}.mp4", actor=actor, script=(Line(label, SECONDS),))
    return {name: folder / f"{name}.mp4" for name in ("desk", "door", "hall")}


def fleet(folder: Path, inputs: dict[str, object]) -> Path:
    path = folder / "fleet.toml"
    path.write_text("".join(f'[streams.{name}]\ninput = "{source}"\n' for name, source in inputs.items()))
    return path


def by_stream(text: str) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for line in text.splitlines():
        event = json.loads(line)
        found.setdefault(event["stream"], []).append(event)
    return found


@pytest.mark.parametrize("pace", ["fast", "live"])
def test_each_stream_says_what_it_says_alone(tmp_path, bundle_folder, voices, pace):
    options = ["--bundle", bundle_folder, "--fast"] if pace == "fast" else ["--bundle", bundle_folder]
    done = run("--config", fleet(tmp_path, voices), *options, "--output", "-")
    assert done.returncode == 0, done.stderr
    found = by_stream(done.stdout)
    assert set(found) == set(voices)
    assert len({event["session"] for events in found.values() for event in events}) == len(voices)
    for name, events in found.items():
        assert [event["seq"] for event in events] == list(range(len(events)))
        alone = events_of("--input", voices[name], "--bundle", bundle_folder, "--fast")
        assert [event["type"] for event in events] == [event["type"] for event in alone]
        for one, other in zip(emotions(events), emotions(alone), strict=True):
            together, single = deterministic(one), deterministic(other)
            for scores in (together, single):  # batches differ at live pace, and with them the last digits
                scores["segment"] = scores["segment"] and scores["segment"]["label"]
            assert (together.pop("scores") or {}) == pytest.approx(single.pop("scores") or {}, abs=1e-3)
            assert together == single
            assert one["dropped"] == {"segments": 0, "frames": 0, "audio_ms": 0.0}


@pytest.mark.fault(
    "One stream of several cannot open",
    "its file does not exist",
    "the others say what they say alone; the end names it",
)
def test_a_stream_that_cannot_open_touches_no_other(tmp_path, bundle_folder, voices):
    inputs = {"desk": voices["desk"], "gone": tmp_path / "gone.mp4", "door": voices["door"]}
    done = run("--config", fleet(tmp_path, inputs), "--bundle", bundle_folder, "--fast", "--output", "-")
    error = one_line_error(done)
    assert "stream gone failed" in error
    assert "gone.mp4 does not exist" in error
    found = by_stream(done.stdout)
    for name in ("desk", "door"):
        alone = events_of("--input", voices[name], "--bundle", bundle_folder, "--fast")
        assert [deterministic(e) for e in emotions(found[name])] == [deterministic(e) for e in emotions(alone)]


@pytest.mark.fault(
    "One stream of several loses its camera",
    "its server hangs up",
    "the others lose nothing",
)
def test_a_camera_that_is_lost_touches_no_other(tmp_path, bundle_folder, voices, mjpeg_server):
    mjpeg_server.frames = 60  # 3 s, of which opening and loading take some; then connections are closed at once
    inputs = {"lost": mjpeg_server.url, "desk": voices["desk"]}
    options = ["--bundle", bundle_folder, "--output", "-", "--duration", SECONDS]
    done = run("--config", fleet(tmp_path, inputs), *options)
    assert done.returncode == 0, done.stderr
    assert "stream lost: http://127.0.0.1" in done.stderr
    assert "was lost: the server ended it; trying to open it again" in done.stderr
    found = by_stream(done.stdout)
    alone = events_of("--input", voices["desk"], "--bundle", bundle_folder, "--fast", "--duration", SECONDS)
    assert len(found["desk"]) == len(alone)
    assert len(emotions(found["lost"])) == len(emotions(found["desk"]))
    assert {event["dropped"]["segments"] for event in emotions(found["desk"])} == {0}


def test_a_stream_that_ends_says_so_while_others_go_on(tmp_path, bundle_folder, voices):
    from emostream.streamer.client.subscriber import Subscriber
    from emostream.streamer.protocol.events import StatusEvent, UtteranceEvent

    short = write_media(tmp_path / "short.mkv", seconds=1.0)
    endpoint = f"ipc://{tmp_path}/events"
    inputs = {"short": short, "desk": voices["desk"]}
    options = ["--config", fleet(tmp_path, inputs), "--bundle", bundle_folder, "--publish", endpoint]
    ended = []
    with Subscriber(endpoint, status=True, timeout=30) as events:
        process = subprocess.Popen([*COMMAND, *map(str, options)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(ended) < 2:
            event = events.receive()
            if isinstance(event, StatusEvent) and event.state == "ended":
                ended.append(event.stream)
            else:
                assert not isinstance(event, UtteranceEvent) or event.stream not in ended
        assert process.wait(10) == 0
    assert ended == ["short", "desk"]
    assert events.missed == {}


def test_a_fleet_ends_when_it_is_asked_to(tmp_path, bundle_folder, voices):
    path = fleet(tmp_path, voices)
    arguments = [
        "--config",
        str(path),
        "--bundle",
        str(bundle_folder),
        "--publish",
        "tcp://127.0.0.1:*",
        "--output",
        "-",
    ]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "left behind" not in errors
    assert time.monotonic() - asked < 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[streams.desk]\ncamra = "0"',
            "stream desk holds camra; expected options among av-offset-ms, camera, input, mic",
        ),
        ("[streams.desk]\ncamera = true", "stream desk: camera is True, expected int or str"),
        ('[streams."My Desk"]\ncamera = 0', "My Desk"),
        ('[streams.""]\ncamera = 0', "stream '': stream name '' is not valid: use 1 to 64 of a-z"),
        ('[streams.desk]\ncamera = 0\ninput = "x.mp4"', "stream desk: --input brings its own picture and sound"),
        ("camera = 0\n[streams.desk]\nmic = 1", "holds camera beside its streams; move it into the table of a stream"),
        ('av-offset-ms = 9e9\ninput = "x.mp4"', "--av-offset-ms is 9000000000.0, expected -2000 to 2000"),
        ("streams = 3", "streams is 3, expected tables such as [streams.desk]"),
        ("[streams]\ndesk = 0", "expected tables such as [streams.desk]"),
        ('[streams.desk]\npublish = "tcp://*:1"', "stream desk holds publish"),
    ],
)
def test_refused_configurations(tmp_path, text, message):
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    done = run("--config", path)
    assert done.returncode == 2
    assert message in one_line_error(done)


def test_a_configuration_without_end_is_refused():
    assert "/dev/zero is larger than 1000000 bytes" in one_line_error(run("--config", "/dev/zero"))


@pytest.mark.parametrize("option", ["output", "mic", "record", "streams.a.mic"])
@pytest.mark.parametrize("text", ["", "a\\u0000b", "a\\nb", "\\u001b[31m"])
def test_a_text_that_is_none_is_refused(tmp_path, option, text):
    path = tmp_path / "c.toml"
    path.write_text(f'{option} = "{text}"\n')
    done = run("--config", path)
    assert done.returncode == 2
    assert "expected a text, neither empty nor with control characters" in one_line_error(done)


def test_every_option_may_stand_in_it(tmp_path):
    known = set(re.findall(r"--([a-z-]+)", run("--help").stdout)) - {"config", "version", "help"}
    path = tmp_path / "c.toml"
    path.write_text("nonsense = 1\n")
    error = one_line_error(run("--config", path))
    assert set(error.partition("options among ")[2].split(", ")) == known


def test_what_is_played_is_not_written_to(voices):
    before = voices["desk"].read_bytes()
    done = run("--input", voices["desk"], "--fast", "--output", voices["desk"])
    assert done.returncode == 2
    assert "is what is played" in one_line_error(done)
    assert voices["desk"].read_bytes() == before


@pytest.mark.parametrize("option", [["--camera", "0"], ["--stream", "desk"], ["--input", "x.mp4"]])
def test_options_of_one_stream_are_refused_beside_a_fleet(tmp_path, voices, option):
    error = one_line_error(run("--config", fleet(tmp_path, voices), *option))
    assert f"{option[0]} is of one stream" in error
    assert "fleet.toml names its own" in error


def test_the_example_is_a_configuration():
    example = Path(__file__).parents[2] / "examples" / "fleet.toml"
    assert [stream.name for stream in read_config_file(example).streams] == ["desk", "talk"]
