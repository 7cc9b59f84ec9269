"""A network camera that misbehaves on demand."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Literal

from typing_extensions import Self

__all__ = ["MANNERS", "FaultyServer", "Feed", "Manner", "mjpeg_part"]

Manner = Literal["well", "frozen", "stalled", "hung up", "garbage", "refusing"]
MANNERS: tuple[Manner, ...] = ("frozen", "stalled", "hung up", "garbage", "refusing")

# What each client gets, anew for each: pieces, and the seconds to wait after each.
Feed = Callable[[], Iterator[tuple[bytes, float]]]


class FaultyServer:
    """Serves a live stream over HTTP to every client, in a manner that may be changed at any time.

    Attributes:
        manner: how:
            well: as the feed says;
            frozen: the last piece again and again;
            stalled: the connection stays, and nothing comes;
            hung up: connections are closed, new ones at once;
            garbage: random bytes instead of what they stand for;
            refusing: connections are closed, and new ones answered with an error.
        url: where.
    """

    def __init__(self, feed: Feed, content_type: str, name: str) -> None:
        """Serve `feed` at a free port; `with`, or `close`, ends it."""
        self.manner: Manner = "well"
        self._feed, self._chance = feed, random.Random(1)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if outer.manner == "refusing":
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.end_headers()
                with suppress(OSError):
                    outer._serve(self.wfile)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/{name}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @classmethod
    def camera(cls, feed: Feed) -> Self:
        """Motion JPEG, of parts as `mjpeg_part` makes them."""
        return cls(feed, "multipart/x-mixed-replace; boundary=frame", "cam.mjpg")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody."""
        self.manner = "hung up"
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, out: BufferedIOBase) -> None:
        last = b""
        due = time.monotonic()
        for piece, wait in self._feed():
            if self.manner in ("hung up", "refusing"):
                return
            if self.manner == "well":
                last = piece
            if self.manner == "garbage":
                out.write(self._chance.randbytes(len(piece)))
            elif self.manner != "stalled":
                out.write(last)
            due += wait
            time.sleep(max(0.0, due - time.monotonic()))


def mjpeg_part(jpeg: bytes) -> bytes:
    """A picture as a part of Motion JPEG."""
    return f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n"
