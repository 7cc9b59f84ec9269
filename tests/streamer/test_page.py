"""The live page's server: what viewers are told, who is let in, and that nobody who looks disturbs the session."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from emostream.streamer import web
from emostream.streamer.web.access import Access
from tests.media_files import write_media
from tests.streamer.paging import served, watch
from tests.streamer.running import demo_clip, emotions, one_line_error, run

STATIC = Path(web.__file__).parent / "static"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"), seconds=6.0)


def read_output(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.fault(
    "Viewers of the live page",
    "one comes in the middle, one reads nothing",
    "the others are told everything once; events are as without viewers",
)
def test_viewers_are_told_all_and_nothing_twice(clip, tmp_path):
    """One from the beginning, one that comes in the middle, one that takes nothing; and the session is as without."""
    output = tmp_path / "events.jsonl"
    with served("--input", clip, "--output", output) as page:
        with page.connect("/live") as first, page.connect("/live") as idle, ThreadPoolExecutor() as others:
            idle.send('{"look": true}')
            early = others.submit(watch, first)
            time.sleep(2.5)
            with page.connect("/live") as second:
                late = watch(second)
        assert page.process.wait(20) == 0
    events = emotions(read_output(output))
    assert len(events) >= 17
    assert early.result().of("emotion") == events
    assert late.of("emotion") == events
    (hello,) = late.of("hello")
    assert hello["streams"] == [{"name": "default", "browser": []}]
    assert hello["bundle"]["trained"] is True
    assert all(event["dropped"] == {"segments": 0, "frames": 0, "audio_ms": 0.0} for event in events)


def test_pictures_show_the_camera_and_what_was_seen_in_it(clip):
    with served("--input", clip) as page, page.connect("/live") as viewer:
        seen = watch(viewer, until_segments=12)
    abouts = [about for about, _ in seen.pictures]
    assert len(seen.pictures) >= 20
    assert [about["number"] for about in abouts] == sorted({about["number"] for about in abouts})
    about, jpeg = seen.pictures[-1]
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] / image.shape[0] == pytest.approx(about["size"][0] / about["size"][1], abs=0.01)
    x, y, width, height = about["face"]
    for eye_x, eye_y in about["eyes"]:
        assert x < eye_x < x + width
        assert y < eye_y < y + height / 2
    levels = [told["streams"]["default"] for told in seen.of("levels")]
    assert {level["speech"] for level in levels} >= {True}
    assert max(level["audio_dbfs"] or -200.0 for level in levels) > -40.0


def test_a_viewer_that_shows_nothing_gets_two_pictures(clip):
    with served("--input", clip) as page, page.connect("/live") as viewer:
        seen = watch(viewer, until_segments=8, acknowledge=False)
    assert len(seen.pictures) == 2


def test_pictures_of_any_shape(tmp_path):
    wide = write_media(tmp_path / "wide.mkv", size=(4096, 2), seconds=3.0)
    with served("--input", wide) as page, page.connect("/live") as viewer:
        about, jpeg = watch(viewer).pictures[-1]
    assert about["size"] == [4096, 2]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (1, 640, 3)


def test_there_is_room_for_so_many_viewers(refusing_page):
    with ExitStack() as viewers:
        for _ in range(32):
            viewers.enter_context(refusing_page.connect("/live")).recv(timeout=10)
        with refusing_page.connect("/live") as one_more, pytest.raises(ConnectionClosed) as closed:
            one_more.recv(timeout=10)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4503, "32 others look already")


def test_a_viewer_may_say_anything(clip):
    with served("--input", clip) as page, page.connect("/live") as viewer:
        for nonsense in ("", "{", "[]", "null", '{"look": 3}', '{"shown": "x", "stream": []}', "[" * 10_000, b"\0\1"):
            viewer.send(nonsense)
        assert len(watch(viewer, until_segments=3).of("emotion")) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "http://evil.example"},
        {"origin": None},
        {"origin": "null"},
        {"subprotocols": ["emostream.v1"]},
        {"subprotocols": ["emostream.v1", "token."]},
        {"subprotocols": ["emostream.v1", "token." + 32 * "A"]},
    ],
    ids=str,
)
def test_only_the_page_itself_is_let_in(refusing_page, changed):
    for path in ("/live", "/feed/default"):
        with pytest.raises(InvalidStatus) as refused:
            refusing_page.connect(path, **changed)
        assert refused.value.response.status_code == 403


def test_a_name_that_somebody_pointed_here_is_refused(refusing_page):
    """DNS rebinding: all else is as it should be, the token too."""
    port = int(refusing_page.host.rpartition(":")[2])
    evil = f"evil.example:{port}"
    with socket.create_connection(("127.0.0.1", port)) as sock, pytest.raises(InvalidStatus) as refused:
        refusing_page.connect("/live", uri=f"ws://{evil}", origin=f"http://{evil}", sock=sock)
    assert refused.value.response.status_code == 403


@pytest.fixture(scope="module")
def refusing_page():
    with served("--input", "browser") as page:
        yield page


def test_files_are_served_to_those_who_know_the_address(refusing_page):
    def get(path: str, **headers: str) -> urllib.request.Request:
        return urllib.request.Request(f"http://{refusing_page.host}{path}", headers=headers)

    for file in [path for path in STATIC.rglob("*") if path.is_file()]:
        answer = urllib.request.urlopen(get(f"/{file.relative_to(STATIC)}"), timeout=10)
        assert answer.read() == file.read_bytes()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert urllib.request.urlopen(get("/"), timeout=10).read() == (STATIC / "index.html").read_bytes()
    for path, headers, code in [
        ("/", {"Host": "evil.example"}, 421),
        ("/", {"Host": "localhost.evil.example:80"}, 421),
        ("/../access.py", {}, 404),
        ("/%2e%2e/access.py", {}, 404),
        ("/vendor/", {}, 404),
    ]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(get(path, **headers), timeout=10)
        assert refused.value.code == code, path


def test_those_who_ask_for_nothing_are_let_go(refusing_page):
    where = ("127.0.0.1", int(refusing_page.host.rpartition(":")[2]))
    with ExitStack() as connections:
        half = [connections.enter_context(socket.create_connection(where, timeout=20)) for _ in range(300)]
        for each in half:
            with suppress(ConnectionError):
                each.sendall(b"GET / HT")
        begun = time.monotonic()
        ends = [_end_of(each) - begun for each in reversed(half)]
    assert sum(end < 3.0 for end in ends) >= 44  # those above 256 at once
    answer = urllib.request.urlopen(f"http://{refusing_page.host}/", timeout=10)
    assert answer.status == 200


def _end_of(connection: socket.socket) -> float:
    """When the other side ended it."""
    with suppress(ConnectionError):
        assert connection.recv(1) == b""
    return time.monotonic()


@pytest.mark.parametrize(
    ("options", "kept"),
    [([], "nothing"), (["--output", "{}/x.jsonl"], "results"), (["--record", "{}", "--record-media"], "media")],
)
def test_whoever_is_seen_is_told_what_is_kept(tmp_path, options, kept):
    filled = [each.format(tmp_path) for each in options]
    with served("--input", "browser", *filled) as session, session.connect("/live") as viewer:
        assert json.loads(viewer.recv(10))["kept"] == kept


def test_the_page_asks_no_other_host():
    for file in STATIC.glob("*"):
        if file.is_file():
            others = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}\S*", file.read_text()))
            assert others <= {'//www.w3.org/2000/svg"', 'http://www.w3.org/2000/svg";', 'http://www.w3.org/2000/svg"'}


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:8080", True),
        ("127.0.0.1", True),
        ("[::1]:8080", True),
        ("robot", True),
        ("", False),
        ("localhost.evil.example", False),
        ("evil.example:8080", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_names_that_may_be_this_machine(host, known):
    assert Access("t", "http", "robot").knows_host(host) is known


def test_a_port_in_use_is_one_line(clip):
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        said = one_line_error(run("--input", clip, "--web", where))
    assert f"can't serve the page on {where}: Address already in use; choose another address or port with --web" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--web", "8080"], "--web is '8080', expected ADDRESS:PORT, as in 127.0.0.1:8080"),
        (["--web", "127.0.0.1:80800"], "expected ADDRESS:PORT"),
        (["--web", "0.0.0.0:8080"], "or give --web-cert and --web-key"),
        (["--web", "0.0.0.0:8080", "--insecure"], "or give --web-cert and --web-key"),
        (["--web-cert", "a.pem", "--web-key", "b.pem"], "say --web 127.0.0.1:8080 too"),
        (["--web", "127.0.0.1:0", "--web-cert", "a.pem"], "go together"),
        (["--web", "127.0.0.1:0", "--web-cert", "no.pem", "--web-key", "no.pem"], "can't be read: No such file"),
        (["--camera", "browser", "--mic", "none"], "takes its camera or microphone from a browser; say --web"),
    ],
)
def test_wrong_options_are_one_line(clip, options, said):
    source = [] if "--camera" in options else ["--input", clip]
    done = run(*source, *options)
    assert said in one_line_error(done)
    assert done.returncode == 2


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """cert.pem and key.pem for localhost; other.pem, another key; locked.pem, with a passphrase."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    authority.issue_cert("localhost").private_key_pem.write_to_path(str(folder / "other.pem"))
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "locked.pem").write_bytes(locked)
    return folder


def test_beyond_loopback_with_a_certificate(clip, certificates):
    options = ["--web-cert", certificates / "cert.pem", "--web-key", certificates / "key.pem"]
    with served("--input", clip, *options, web="0.0.0.0:0") as page:
        port = page.host.rpartition(":")[2]
        assert page.url.startswith(f"https://{socket.gethostname()}:")
        context = ssl.create_default_context(cafile=certificates / "authority.pem")
        answer = urllib.request.urlopen(f"https://localhost:{port}/", context=context, timeout=10)
        assert answer.read() == (STATIC / "index.html").read_bytes()
        protocols = ["emostream.v1", f"token.{page.token}"]
        address, origin = f"wss://localhost:{port}/live", f"https://localhost:{port}"
        with connect(address, ssl=context, origin=origin, subprotocols=protocols, max_size=None) as viewer:
            assert len(watch(viewer, until_segments=2).of("emotion")) == 2


def test_those_who_never_prove_themselves_are_let_go(certificates):
    options = ["--web-cert", certificates / "cert.pem", "--web-key", certificates / "key.pem"]
    with served("--input", "browser", *options) as page:
        where = ("127.0.0.1", int(page.host.rpartition(":")[2]))
        with socket.create_connection(where, timeout=30) as half:
            _end_of(half)
        context = ssl.create_default_context(cafile=certificates / "authority.pem")
        address = f"https://localhost:{where[1]}/"
        assert urllib.request.urlopen(address, context=context, timeout=10).status == 200


@pytest.mark.parametrize(
    ("key", "said"),
    [("other.pem", "are no certificate and its key"), ("locked.pem", "is encrypted"), ("cert.pem", "are no")],
)
def test_certificates_that_can_not_serve(clip, certificates, key, said):
    options = ["--web", "127.0.0.1:0", "--web-cert", certificates / "cert.pem", "--web-key", certificates / key]
    assert said in one_line_error(run("--input", clip, *options))


def test_the_token_is_kept_for_this_user_alone(clip, tmp_path):
    """So that a page finds its way back to a session that was restarted."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    tokens = []
    for _ in range(2):
        with served("--input", clip, env=env) as page:
            tokens.append(page.token)
    (kept,) = (tmp_path / "state" / "emostream").iterdir()
    assert tokens[0] == tokens[1] == kept.read_text().strip()
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.chmod(0o644)  # others may have read it
    with served("--input", clip, env=env) as page:
        assert page.token != tokens[0]
    kept.unlink()
    (tmp_path / "state" / "emostream").rmdir()
    (tmp_path / "state" / "emostream").write_text("in the way")
    with served("--input", clip, env=env) as page:
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", page.token)
