"""A network camera for the tests: Motion JPEG over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import cv2
import numpy as np
import pytest

Manner = Literal["well", "frozen", "stalled", "hung up", "garbage", "refusing"]


class MjpegServer:
    """Serves pictures at `fps` to every client, until `frames` were sent; those in `damaged` are no pictures.

    `manner` may be changed at any time:
        well: pictures with the noise of a camera;
        frozen: the last picture again and again;
        stalled: the connection stays, and nothing comes;
        hung up: connections are closed;
        garbage: random bytes instead of pictures and their heads;
        refusing: connections are closed, and new ones answered with an error.
    """

    def __init__(self) -> None:
        self.fps = 20.0
        self.frames = 10_000
        self.damaged: Container[int] = ()
        self.image = np.full((240, 320, 3), 120, np.uint8)
        self.manner: Manner = "well"
        self.connections = 0
        self._noise = np.random.default_rng(1)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if outer.manner == "refusing":
                    self.send_error(503)
                    return
                outer.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                with suppress(OSError):
                    outer.serve(self.wfile)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/cam.mjpg"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def serve(self, out) -> None:
        data = self._picture()
        for n in range(self.frames):
            if self.manner in ("hung up", "refusing"):
                return
            if self.manner == "well":
                data = self._picture()
            if self.manner == "garbage":
                out.write(self._noise.bytes(5000))
            elif self.manner != "stalled":
                sent = bytes(100) if n in self.damaged else data
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(sent)}\r\n\r\n"
                out.write(head.encode() + sent + b"\r\n")
            time.sleep(1 / self.fps)

    def _picture(self) -> bytes:
        noise = self._noise.integers(-3, 4, self.image.shape)
        return cv2.imencode(".jpg", np.clip(self.image + noise, 0, 255).astype(np.uint8))[1].tobytes()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mjpeg_server() -> Iterator[MjpegServer]:
    server = MjpegServer()
    yield server
    server.manner = "hung up"
    server.close()
