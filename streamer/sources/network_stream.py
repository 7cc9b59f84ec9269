"""A live network stream (RTSP, HTTP, MJPEG): one connection, both tracks."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from fractions import Fraction

import av
import av.error
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream
from typing_extensions import Self

from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioBlock, AudioUnpacker
from emostream.engines.media.container import first_stream, open_container
from emostream.engines.media.decoding import PacketDecoder
from emostream.engines.media.video import VideoFrame, VideoUnpacker
from emostream.engines.redaction import redacted
from emostream.streamer.queues import Watermark
from emostream.streamer.sources.base import LiveSource, Playback, Sink, Sinks
from emostream.streamer.sources.timestamps import RunningMinimum

__all__ = ["ArrivalClock", "NetworkStream"]

_MAX_LAG_S = 1.0
_WINDOW_S = 10.0  # long enough to meet a packet without delay, short enough to follow drift
_RECENT_S = 1.0
_ENDED = "the server ended it"


class ArrivalClock:
    """Turns a stream's own timestamps into monotonic ones, by when its packets arrive.

    The packet within ten seconds that was fastest on its way fixes the offset, so a time is never later than the
    arrival. Packets that stay more than a second late mean that the sender has paused, and timestamps that step back
    that its clock was set; either starts the offset afresh.
    """

    def __init__(self) -> None:
        """Start without an offset."""
        self._newest: dict[str, float] = {}
        self._offset, self._recent = RunningMinimum(_WINDOW_S), RunningMinimum(_RECENT_S)

    def stamp(self, t: float, arrived: float, track: str = "") -> float:
        """Monotonic time, in seconds, of stream time `t`, seen in a packet of `track` that arrived at `arrived`."""
        self.note(t, arrived, track)
        return self.time_of(t)

    def note(self, t: float, arrived: float, track: str = "") -> None:
        """Take in that a packet of `track` with stream time `t` arrived at monotonic time `arrived`, in seconds."""
        # Per track: one may run far ahead of the other in the stream.
        if t < self._newest.get(track, t) - _MAX_LAG_S:
            self._offset, self._recent = RunningMinimum(_WINDOW_S), RunningMinimum(_RECENT_S)
        self._newest[track] = t
        self._recent.push(arrived, arrived - t)
        self._offset.push(arrived, arrived - t)
        if self._recent.value > self._offset.value + _MAX_LAG_S:
            self._offset = RunningMinimum(_WINDOW_S)
            self._offset.push(arrived, self._recent.value)

    def time_of(self, t: float) -> float:
        """Monotonic time, in seconds, of stream time `t`."""
        return t + self._offset.value


class _AudioTrack:
    """Blocks of audio on their way from packets to their queue, in rising order."""

    def __init__(self, url: str, clock: ArrivalClock, sink: Sink[AudioBlock | Watermark]) -> None:
        self.decoder = PacketDecoder(url, "audio")
        self._clock, self._outlet = clock, sink
        self._unpacker = AudioUnpacker()
        self._last = self._end = float("-inf")
        self._lost = False

    def push(self, packet: av.Packet[Stream], arrived: float) -> None:
        frames = self.decoder.frames(packet)
        blocks = [b for frame in frames if isinstance(frame, av.AudioFrame) for b in self._unpacker.push(frame)]
        if blocks:
            self._clock.note(max(block.end for block in blocks), arrived, "audio")
        for block in blocks:
            placed = AudioBlock(self._clock.time_of(block.t), block.samples, block.lost or self._lost)
            # A server that bursts sends sound of the past, which would all pile up on the moment of its arrival.
            self._lost = placed.t <= self._last or placed.t < self._end - (block.end - block.t) / 2
            if not self._lost:
                self._last, self._end = placed.t, placed.end
                self._outlet.put(placed)


class _VideoTrack:
    """Pictures on their way from packets to their queue, in rising order."""

    def __init__(
        self,
        url: str,
        clock: ArrivalClock,
        sink: Sink[VideoFrame | Watermark],
        *,
        aspect: Fraction | None,
        timed: bool,
    ) -> None:
        self.decoder = PacketDecoder(url, "video")
        self._clock, self._outlet, self._timed = clock, sink, timed
        self._unpacker = VideoUnpacker(30.0, aspect=aspect, live=True)
        self._last = float("-inf")

    def push(self, packet: av.Packet[Stream], arrived: float) -> None:
        for frame in self._pictures(self.decoder.frames(packet)):
            t = self._clock.stamp(frame.t, arrived, "video") if self._timed else arrived
            if t > self._last:
                self._last = t
                self._outlet.put(VideoFrame(t, frame.image))

    def _pictures(self, frames: Sequence[av.AudioFrame | av.VideoFrame]) -> list[VideoFrame]:
        return [f for frame in frames if isinstance(frame, av.VideoFrame) for f in self._unpacker.push(frame)]


class NetworkStream(LiveSource):
    """A URL without an end."""

    def __init__(self, url: str, opened: InputContainer | None = None) -> None:
        """Name the URL.

        Args:
            url: of the stream.
            opened: what is open of it already; many cameras serve one client at a time.
        """
        self.name = redacted(url)
        self._url, self._opened = url, opened

    def open(self) -> None:
        """See `Source`."""
        self._container = self._opened or open_container(self._url)
        video = first_stream(self._container, "video")
        self.repeats = video is not None and video.codec_context.name != "mjpeg"

    def run(self, sinks: Sinks, playback: Playback) -> None:
        """See `Source`."""
        try:
            reason = self._read(sinks, playback)
        except av.error.FFmpegError as error:
            # FFmpeg says so of Motion JPEG without a last boundary; a connection that breaks has errors of its own.
            reason = _ENDED if error.errno == errno.EIO else str(error.strerror)
        if not playback.stop.is_set():
            raise SourceError(f"{self.name} was lost: {reason}")

    def close(self) -> None:
        """See `Source`."""
        self._container.close()

    def reopen(self) -> Self:
        """See `LiveSource`."""
        return type(self)(self._url)

    def _read(self, sinks: Sinks, playback: Playback) -> str:
        """Read until the session stops or the stream ends; why it ended."""
        tracks = self._tracks(sinks)
        for packet in self._container.demux([self._container.streams[index] for index in tracks]):
            arrived = time.monotonic()
            if playback.stop.is_set():
                break
            tracks[packet.stream.index].push(packet, arrived)
            if all(track.decoder.given_up for track in tracks.values()):
                return "it is too damaged to go on"
        return _ENDED

    def _tracks(self, sinks: Sinks) -> dict[int, _AudioTrack | _VideoTrack]:
        """The wanted tracks, by the index of their stream."""
        # Motion JPEG carries no times; FFmpeg makes up 25 frames a second.
        timed = "mjpeg" not in self._container.format.name and "mpjpeg" not in self._container.format.name
        clock = ArrivalClock()
        tracks: dict[int, _AudioTrack | _VideoTrack] = {}
        if sinks.audio is not None and (stream := first_stream(self._container, "audio")) is not None:
            tracks[stream.index] = _AudioTrack(self._url, clock, sinks.audio)
        if sinks.video is not None and (stream := first_stream(self._container, "video")) is not None:
            assert isinstance(stream, VideoStream)
            aspect = stream.sample_aspect_ratio
            tracks[stream.index] = _VideoTrack(self._url, clock, sinks.video, aspect=aspect, timed=timed)
        return tracks
