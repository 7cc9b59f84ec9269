"""A live network stream (RTSP, HTTP, MJPEG): one connection, both tracks."""

from __future__ import annotations

import time

import av
import av.error
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from engines.errors import SourceError
from engines.media.audio import AudioBlock, AudioUnpacker
from engines.media.container import first_stream, open_container, redacted
from engines.media.video import VideoFrame, VideoUnpacker
from streamer.sources.base import Outlets, Playback, Source

__all__ = ["ArrivalClock", "NetworkStream"]

_MAX_LAG_S = 1.0


class ArrivalClock:
    """Turns a stream's own timestamps into monotonic ones, by when its packets arrive.

    The packet that was fastest on its way fixes the offset; one that is more than a second late starts it afresh,
    since the sender has paused.
    """

    def __init__(self) -> None:
        """Start without an offset."""
        self._offset: float | None = None

    def stamp(self, t: float, arrived: float) -> float:
        """Monotonic time, in seconds, of stream time `t`, seen in a packet that arrived at `arrived`."""
        offset = arrived - t
        if self._offset is None or offset < self._offset or offset > self._offset + _MAX_LAG_S:
            self._offset = offset
        return t + self._offset


class NetworkStream(Source):
    """A URL without an end."""

    def __init__(self, url: str) -> None:
        """Name the URL."""
        self.name = redacted(url)
        self._url = url

    def open(self) -> None:
        """See `Source`."""
        self._container = open_container(self._url)

    def run(self, outlets: Outlets, playback: Playback) -> None:
        """See `Source`."""
        audio = first_stream(self._container, "audio") if outlets.audio is not None else None
        video = first_stream(self._container, "video") if outlets.video is not None else None
        wanted = [stream for stream in (audio, video) if stream is not None]
        clock = ArrivalClock()
        unpack_audio = AudioUnpacker()
        unpack_video = VideoUnpacker(30.0)
        made_up = "mpjpeg" in self._container.format.name or "mjpeg" in self._container.format.name
        last = float("-inf")
        try:
            for packet in self._container.demux(wanted):
                arrived = time.monotonic()
                if playback.stop.is_set():
                    return
                for item in packet.decode():
                    if isinstance(item, av.AudioFrame) and isinstance(packet.stream, AudioStream):
                        for block in unpack_audio.push(item):
                            t = clock.stamp(block.end, arrived) - (block.end - block.t)
                            assert outlets.audio is not None
                            outlets.audio.put(AudioBlock(t, block.samples, block.lost))
                    elif isinstance(item, av.VideoFrame) and isinstance(packet.stream, VideoStream):
                        for frame in unpack_video.push(item):
                            # Motion JPEG carries no times; FFmpeg makes up 25 frames a second.
                            t = arrived if made_up else clock.stamp(frame.t, arrived)
                            if t > last:
                                last = t
                                assert outlets.video is not None
                                outlets.video.put(VideoFrame(t, frame.image))
        except av.error.FFmpegError as error:
            raise SourceError(f"{self.name} was lost: {error.strerror}") from None
        finally:
            self._container.close()

    def close(self) -> None:
        """See `Source`. FFmpeg's read time-out bounds the wait for a silent server."""
