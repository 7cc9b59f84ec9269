"""Whatever goes wrong with a camera, its user name, password and query are never said."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError, EmostreamError, SourceError
from emostream.engines.media.container import Contents
from emostream.engines.starter import STARTER
from emostream.streamer.config import Config, StreamConfig
from emostream.streamer.config_file import read_config_file
from emostream.streamer.pipeline.pipeline import Pipeline
from emostream.streamer.sources.network_stream import NetworkStream
from tests.media_files import write_media
from tests.streamer.running import run

SECRETS = ("us3r", "s3cr3t", "t0k3n")


def clean(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], text


class Handler(BaseHTTPRequestHandler):
    """Answers by the path: a code, half a picture, a whole film, or a few pictures of Motion JPEG."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        if name.isdecimal():
            self.send_error(int(name))
            return
        self.send_response(200)
        if name == "film.mkv":
            body = self.server.film
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
            body = b"".join(
                b"--x\r\nContent-Type: image/jpeg\r\n\r\n" + self.server.picture + b"\r\n" for _ in range(60)
            )
            body = body if name == "live" else body[: len(body) // 2] + bytes(3000)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("film")
    film = write_media(folder / "film.mkv", seconds=1.0)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.film, server.picture = film.read_bytes(), cv2.imencode(".jpg", image)[1].tobytes()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://us3r:s3cr3t@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://us3r:s3cr3t@127.0.0.1:1/live?t=t0k3n",
        "http://us3r:s3cr3t@127.0.0.1:1/live?t=t0k3n",
        "http://us3r:s3cr3t@nowhere.invalid/live?t=t0k3n",
        "what://us3r:s3cr3t@127.0.0.1/live?t=t0k3n",
        "rtsp:us3r:s3cr3t@127.0.0.1/live.mp4",
    ],
)
def test_a_camera_that_can_not_be_reached(address):
    with pytest.raises(SourceError) as caught:
        Contents.of(address)
    clean("".join(traceback.format_exception(caught.value)))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("option", ["--camera", "--mic", "--input"])
def test_the_command_does_not_say_them(option, server):
    other = {"--camera": ["--mic", "none"], "--mic": ["--camera", "none"], "--input": []}[option]
    for address in ("rtsp://us3r:s3cr3t@127.0.0.1:1/live?t=t0k3n", f"{server}/401?t=t0k3n"):
        done = run("--verbose", option, address, *other)
        assert done.returncode == 1
        assert "127.0.0.1" in done.stderr
        clean(done.stdout + done.stderr)


@pytest.mark.fault(
    "Password in the address of a camera",
    "the camera is read, lost, and refuses",
    "it is in no log, event or status",
)
@pytest.mark.parametrize("place", ["live", "broken", "film.mkv"])
def test_a_session_of_a_camera_does_not_say_them(place, server, tmp_path, caplog):
    """Neither its log, nor its events, nor the names of its threads."""
    events, names = [], set()
    caplog.set_level(logging.DEBUG)
    config = Config(
        streams=(
            StreamConfig(name="one", camera=f"{server}/{place}?t=t0k3n", mic="none"),
            StreamConfig(name="two", camera=f"{server}/404?t=t0k3n", mic="none"),
        ),
        publish="tcp://127.0.0.1:*",
        output=str(tmp_path / "events.jsonl"),
        duration_s=1.5,
    )
    pipeline = Pipeline(config, Bundle.load(STARTER), events.append)
    with pytest.raises(EmostreamError) as caught:
        pipeline.run(on_tick=lambda: names.update(thread.name for thread in threading.enumerate()), tick_s=0.02)
    clean("".join(traceback.format_exception(caught.value)))
    clean(caplog.text)
    clean(repr(events))
    clean(repr(config))
    clean((tmp_path / "events.jsonl").read_text())
    clean(" ".join(names))
    assert any("read http://127.0.0.1:" in name for name in names)
    assert events


ADDRESS = "rtsp://us3r:s3cr3t@cam/live?t=t0k3n"


@pytest.mark.parametrize("options", [[ADDRESS], ["--duration", ADDRESS], ["--view", ADDRESS]])
def test_what_users_mistype_is_not_repeated(options):
    done = run(*options)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("emostream: error: ")
    clean(done.stdout + done.stderr)


@pytest.mark.parametrize(
    "text",
    [
        f'streams = "{ADDRESS}"',
        f'input = ["{ADDRESS}"]',
        f'"{ADDRESS}" = 1',
        f'[streams."{ADDRESS}"]',
        f'[streams.desk]\n"{ADDRESS}" = 1',
        f'[streams.desk]\ninput = ["{ADDRESS}"]',
        f'[streams.desk]\ninput = "{ADDRESS}"\ncamera = 0',
        f'input = "{ADDRESS}',
        f"input = {ADDRESS}",
    ],
)
def test_what_is_wrong_in_a_configuration_is_not_repeated(text, tmp_path):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config_file(tmp_path / "c.toml")
    clean("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("form", ["lines", "json"])
def test_an_exception_that_nobody_expected_does_not_say_them(tmp_path, form):
    script = tmp_path / "fails.py"
    script.write_text(
        "import logging\nimport sys\nfrom emostream.streamer.logs import Logs\nlogs = Logs()\nlogs.begin()\n"
        "if sys.argv[1] == 'json':\n    logs.become_json()\n"
        "try:\n"
        "    try:\n        raise OSError(5, 'Input/output error', 'rtsp://us3r:s3cr3t@cam/live?t0k3n')\n"
        "    except OSError as error:\n        raise ValueError('rtsp://us3r:s3cr3t@cam/live') from error\n"
        "except ValueError:\n"
        "    logging.getLogger('emostream').exception('lost %s', 'http://us3r:s3cr3t@cam/x?t0k3n')\n"
        "logs.end()\n"
    )
    done = subprocess.run([sys.executable, script, form], capture_output=True, text=True, timeout=30, check=True)
    text = done.stderr.replace("\\n", "\n")
    said = [line for line in text.splitlines() if not line.lstrip().startswith(("raise", "logging."))]
    assert "OSError: [Errno 5] Input/output error: 'rtsp://cam/live" in done.stderr
    assert "ValueError: rtsp://cam/live" in done.stderr
    clean("\n".join(said))


def test_the_source_itself_has_none_in_its_name():
    clean(NetworkStream("rtsp://us3r:s3cr3t@cam/live?t=t0k3n").name)


def test_json_of_status_has_no_address(server, tmp_path):
    done = run(
        "--camera", f"{server}/live?t=t0k3n", "--mic", "none", "--duration", "1", "--output", tmp_path / "e.jsonl"
    )
    assert done.returncode in (0, 1), done.stderr
    clean(done.stderr + done.stdout)
    for line in (tmp_path / "e.jsonl").read_text().splitlines():
        assert json.loads(line)["type"]
        clean(line)
