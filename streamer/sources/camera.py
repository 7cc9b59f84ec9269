"""A local camera through OpenCV: a reader that only grabs and stamps, so that frames are never stale."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import cv2
import numpy as np
from typing_extensions import Self

from emostream.engines.errors import SourceError
from emostream.engines.media.video import VideoFrame
from emostream.streamer.sources.base import LiveSource, Playback, Sinks

__all__ = ["Camera", "list_cameras"]

_STALE_FRAMES = 4  # that the driver holds from before the session began
_PROBED = 4  # cameras that are tried where the system has no list of them


class Camera(LiveSource):
    """A camera by index or by device path."""

    def __init__(self, device: int | str) -> None:
        """Name the device."""
        self.name = f"camera {device}"
        self._device = device

    def open(self) -> None:
        """See `Source`."""
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # our own error says it better
        self._capture = cv2.VideoCapture(self._device)
        # The first frame tells a camera that works from one that another program holds.
        if not self._capture.isOpened() or not self._capture.grab():
            self._capture.release()
            raise SourceError(
                f"{self.name} can't be opened: there is no such camera, or another program uses it; "
                "`emostream devices` lists the cameras"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def run(self, sinks: Sinks, playback: Playback) -> None:
        """See `Source`."""
        assert sinks.video is not None
        for _ in range(_STALE_FRAMES):
            self._capture.grab()
        while not playback.stop.is_set():
            if not self._capture.grab():
                raise SourceError(f"{self.name} was lost: it gives no more frames")
            t = time.monotonic()
            read, image = self._capture.retrieve()
            if read and not sinks.video.put(VideoFrame(t, np.asarray(image, dtype=np.uint8))):
                return

    def close(self) -> None:
        """See `Source`."""
        self._capture.release()

    def reopen(self) -> Self:
        """See `LiveSource`."""
        return type(self)(self._device)


def list_cameras() -> list[tuple[str, str]]:
    """The cameras of this machine: what `--camera` takes, and a name."""
    listed = Path("/sys/class/video4linux")
    if platform.system() == "Linux":
        names = sorted(listed.glob("video*"), key=lambda p: int(p.name.removeprefix("video")))
        return [(p.name.removeprefix("video"), (p / "name").read_text().strip()) for p in names]
    found = []
    for index in range(_PROBED):
        capture = cv2.VideoCapture(index)
        if capture.isOpened():
            found.append((str(index), f"camera {index}"))
        capture.release()
    return found
