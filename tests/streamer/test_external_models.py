"""`emostream models get`: fetched when asked, checked, and stored whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emostream.engines import external_models as models
from emostream.engines.errors import PublishError, SourceError
from emostream.engines.external_models import YUNET, ExternalModel
from emostream.streamer import external_models
from emostream.streamer.external_models import get_model
from tests.streamer.running import one_line_error, run

CONTENT = b"a model of 300,000 bytes" + bytes(range(256)) * 1172
LARGE = 300_056


class Server(BaseHTTPRequestHandler):
    """Serves the content in the manner that the path names."""

    def do_GET(self) -> None:
        manner = self.path.strip("/")
        if manner == "missing":
            self.send_error(404)
            return
        if manner == "moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
            return
        content = {"other": CONTENT[::-1], "longer": CONTENT * 2, "empty": b""}.get(manner, CONTENT)
        self.send_response(200)
        if manner != "unsaid":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        if manner == "stalls":
            self.server.released.wait(30)  # type: ignore[attr-defined]
        elif manner != "broken":
            self.wfile.write(content[len(content) // 2 :])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.released = threading.Event()  # type: ignore[attr-defined]
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.released.set()  # type: ignore[attr-defined]
        server.shutdown()


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExternalModel:
    monkeypatch.setattr(models.platformdirs, "user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    digest = hashlib.sha256(CONTENT).hexdigest()
    return replace(YUNET, size=len(CONTENT), sha256=digest)


def stored(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data").rglob("*") if path.is_file())


@pytest.mark.parametrize("manner", ["whole", "unsaid", "moved"])
def test_it_is_fetched_and_stored(model: ExternalModel, serve: str, manner: str) -> None:
    assert model.stored() is None
    file = get_model(replace(model, url=f"{serve}/{manner}"))
    assert file == model.path == model.stored()
    assert file.read_bytes() == CONTENT
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("manner", "says"),
    [
        ("missing", "answers 404 Not Found; try again, or download it elsewhere and name it with --file"),
        ("other", "is another file than yunet: its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}; nothing was stored"),
        ("longer", "has more bytes, yunet has 300,056: it broke off, or is another file"),
        ("empty", "has 0 bytes, yunet has 300,056"),
        ("broken", r"(has 150,028 bytes, yunet has 300,056|can't be read: )"),
        ("stalls", "can't be (read|reached): .*timed out"),
    ],
)
def test_what_goes_wrong_is_one_line_and_leaves_nothing(
    model: ExternalModel, serve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manner: str, says: str
) -> None:
    monkeypatch.setattr(external_models, "_TIMEOUT_S", 0.5)
    assert len(CONTENT) == LARGE
    with pytest.raises(SourceError, match=says) as raised:
        get_model(replace(model, url=f"{serve}/{manner}"))
    assert "\n" not in str(raised.value)
    assert stored(tmp_path) == []


def test_a_server_that_is_not_there(model: ExternalModel, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"can't be reached: .*; try again, or download it elsewhere"):
        get_model(replace(model, url="http://127.0.0.1:9/yunet.onnx"))
    assert stored(tmp_path) == []


def test_an_earlier_one_stays_where_another_fails(model: ExternalModel, serve: str) -> None:
    get_model(replace(model, url=f"{serve}/whole"))
    with pytest.raises(SourceError):
        get_model(replace(model, url=f"{serve}/other"))
    assert model.path.read_bytes() == CONTENT


def test_a_copy_serves_without_a_network(model: ExternalModel, tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    for content, says in ((None, "No such file"), (CONTENT[:-1], "has 300,055 bytes"), (CONTENT[::-1], "another file")):
        if content is not None:
            copy.write_bytes(content)
        with pytest.raises(SourceError, match=says):
            get_model(model, copy)
    assert stored(tmp_path) == []
    with pytest.raises(SourceError, match="Is a directory"):
        get_model(model, tmp_path)
    copy.write_bytes(CONTENT)
    assert get_model(model, copy).read_bytes() == CONTENT


def test_a_place_that_cannot_be_written_is_one_line(model: ExternalModel, serve: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(PublishError, match=r"can't be written: .*; make room there, or set HOME"):
        get_model(replace(model, url=f"{serve}/whole"))


def test_the_command(shared: Path, tmp_path: Path) -> None:
    home = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    listed = run("models", "list", env=home)
    assert YUNET.url in listed.stdout
    assert "not stored" in listed.stdout
    assert "expected yunet" in one_line_error(run("models", "get", "yolo", env=home))
    done = run("models", "get", "yunet", "--file", shared / "face_detection_yunet_2023mar.onnx", env=home)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "data") in done.stdout
    assert "\n  stored in " in run("models", "list", env=home).stdout
    clip = shared / "clips" / "smile_near_silent.mp4"
    done = run("--input", clip, "--fast", "--face-detector", "yunet", "--publish", "tcp://127.0.0.1:*", env=home)
    assert done.returncode == 0, done.stderr
    assert "was trained on faces found by viola-jones; --face-detector yunet" in done.stderr
