"""A network camera for the tests: Motion JPEG over HTTP."""

from __future__ import annotations

from collections.abc import Container, Iterator

import cv2
import numpy as np
import pytest

from benchmarks.soak.server import FaultyServer, mjpeg_part


class MjpegServer(FaultyServer):
    """Serves `image` with the noise of a camera, `fps` times a second until `frames` were sent; those in `damaged` are
    no pictures."""

    def __init__(self) -> None:
        self.fps = 20.0
        self.frames = 10_000
        self.damaged: Container[int] = ()
        self.image = np.full((240, 320, 3), 120, np.uint8)
        self._noise = np.random.default_rng(1)
        super().__init__(self._pictures, "multipart/x-mixed-replace; boundary=frame", "cam.mjpg")

    def _pictures(self) -> Iterator[tuple[bytes, float]]:
        for n in range(self.frames):
            noisy = np.clip(self.image + self._noise.integers(-3, 4, self.image.shape), 0, 255).astype(np.uint8)
            yield (
                mjpeg_part(bytes(100) if n in self.damaged else cv2.imencode(".jpg", noisy)[1].tobytes()),
                1 / self.fps,
            )


@pytest.fixture
def mjpeg_server() -> Iterator[MjpegServer]:
    with MjpegServer() as server:
        yield server
