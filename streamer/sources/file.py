"""Recordings: one track of a file, played at its own pace or as quickly as possible."""

from __future__ import annotations

from dataclasses import replace

from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.container import TrackKind
from emostream.engines.media.track import AudioTrack, VideoTrack
from emostream.engines.media.video import VideoFrame
from emostream.engines.redaction import redacted
from emostream.streamer.queues import Watermark
from emostream.streamer.sources.base import Playback, Sink, Sinks, Source
from emostream.streamer.threads import yield_to_others

__all__ = ["FileSource"]

_PAUSE_S = 0.1  # a longer one is announced, so that nobody waits for what the file doesn't have


class FileSource(Source):
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

    def run(self, sinks: Sinks, playback: Playback) -> None:
        """See `Source`. Each item is decoded ahead of its time and given when a live source would give it."""
        yield_to_others()
        sink = sinks.audio if isinstance(self._track, AudioTrack) else sinks.video
        if sink is None:
            return
        last = playback.t0
        for item in self._track:
            due = item.end if isinstance(item, AudioBlock) else item.t
            if not self._give(sink, item, last, due, playback):
                return
            last = due
        if playback.wait_until(self._track.end):
            sink.close(end=playback.stamp(self._track.end))

    def close(self) -> None:
        """See `Source`."""
        self._track.__exit__(None, None, None)

    def _give(
        self,
        sink: Sink[AudioBlock | Watermark] | Sink[VideoFrame | Watermark],
        item: AudioBlock | VideoFrame,
        last: float,
        due: float,
        playback: Playback,
    ) -> bool:
        """Hand an item on when it is due; False once nobody wants it."""
        t = playback.stamp(item.t)
        if item.t - last > _PAUSE_S and not sink.put(Watermark(t)):
            return False
        return playback.wait_until(due) and sink.put(replace(item, t=t))  # type: ignore[arg-type]
