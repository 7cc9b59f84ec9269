"""A network camera for the tests: Motion JPEG over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest


class MjpegServer:
    """Serves pictures at `fps` to every client, until `frames` were sent; those in `damaged` are no pictures."""

    def __init__(self) -> None:
        self.fps = 20.0
        self.frames = 10_000
        self.damaged: Container[int] = ()
        self.image = np.full((240, 320, 3), 120, np.uint8)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for n in range(outer.frames):
                        data = cv2.imencode(".jpg", outer.image)[1].tobytes()
                        if n in outer.damaged:
                            data = bytes(100)
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                        self.wfile.write(head.encode() + data + b"\r\n")
                        time.sleep(1 / outer.fps)
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/cam.mjpg"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mjpeg_server() -> Iterator[MjpegServer]:
    server = MjpegServer()
    yield server
    server.close()
