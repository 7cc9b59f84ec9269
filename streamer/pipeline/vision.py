"""The vision thread: frames in, aligned faces out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import cv2

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.media.video import VideoFrame
from emostream.streamer.pipeline.media_listener import MediaListener
from emostream.streamer.pipeline.meters import Meters
from emostream.streamer.queues import BoundedQueue, Watermark
from emostream.streamer.threads import yield_to_others

__all__ = ["Vision"]


class Vision:
    """Follows the face from frame to frame. Only its thread touches the tracker."""

    def __init__(
        self,
        tracker: FaceTracker,
        frames: BoundedQueue[VideoFrame | Watermark],
        faces: BoundedQueue[FrameFace | Watermark],
        meters: Meters,
        late_s: float,
        media_listeners: Sequence[MediaListener] = (),
    ) -> None:
        """Read `frames`, write `faces`; the camera delivers `late_s` seconds later than its times say."""
        self._tracker, self._frames, self._faces, self._meters = tracker, frames, faces, meters
        self._late_s, self._listeners = late_s, media_listeners

    def run(self) -> None:
        """Work until the frames end; then the faces end too."""
        cv2.setNumThreads(1)  # the engine needs the cores; a face is too small to share out
        yield_to_others()  # the engine's threads wait for each other, so one that is held up holds up all
        while (frame := self._frames.get()) is not None:
            t = frame.t - self._late_s
            # A segment that this frame can't belong to need not wait until it was looked at.
            self._faces.put(Watermark(t))
            if isinstance(frame, Watermark):
                continue
            begun = time.perf_counter()
            face = self._tracker.update(t, frame.image)
            self._meters.spend("vision", time.perf_counter() - begun)
            self._meters.frames.add()
            self._meters.levels.brightness = face.brightness
            self._meters.levels.face = face.crop is not None
            if face.crop is not None:
                self._meters.faces.add()
            if not self._faces.put(face):
                return
            for listener in self._listeners:
                listener.on_picture(replace(frame, t=t), face)
        end = self._frames.end
        self._faces.close(end=None if end is None else end - self._late_s)
