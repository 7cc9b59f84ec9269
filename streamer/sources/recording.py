"""One track of a file, played at its own pace or as quickly as possible."""

from __future__ import annotations

from dataclasses import replace

from engines.media.container import TrackKind, redacted
from engines.media.track import AudioTrack, VideoTrack
from streamer.sources.base import Outlets, Playback, Source

__all__ = ["Recording"]


class Recording(Source):
    """The audio or the video track of a file. Each track has a reader of its own, so neither waits for the other."""

    recorded = True

    def __init__(self, path: str, kind: TrackKind) -> None:
        """Name the file and the track."""
        self.name = redacted(path)
        self._track: AudioTrack | VideoTrack = AudioTrack(path) if kind == "audio" else VideoTrack(path)

    def open(self) -> None:
        """See `Source`. The first block or frame is decoded, which tells when the track starts."""
        self._track.__enter__()
        self.start_time = self._track.start

    def run(self, outlets: Outlets, playback: Playback) -> None:
        """See `Source`. Each item is decoded ahead of its time and given when a live source would give it."""
        if isinstance(self._track, AudioTrack) and outlets.audio is not None:
            for block in self._track:
                due = playback.wait_until(block.end)
                if not due or not outlets.audio.put(replace(block, t=playback.stamp(block.t))):
                    return
            if playback.wait_until(self._track.end):
                outlets.audio.close(end=playback.stamp(self._track.end))
        elif isinstance(self._track, VideoTrack) and outlets.video is not None:
            for frame in self._track:
                due = playback.wait_until(frame.t)
                if not due or not outlets.video.put(replace(frame, t=playback.stamp(frame.t))):
                    return
            if playback.wait_until(self._track.end):
                outlets.video.close(end=playback.stamp(self._track.end))

    def close(self) -> None:
        """See `Source`."""
        self._track.__exit__(None, None, None)
