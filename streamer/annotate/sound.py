"""The sound of a clip on its way into another file: copied where MP4 takes it as it is, else as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

import av
import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from typing_extensions import Self

from emostream.engines.media.container import first_stream, open_container

__all__ = ["SoundCopy"]

_COPIED = {"aac", "mp3", "ac3", "eac3", "alac"}  # what players of MP4 know
_BITS_PER_SECOND = 128_000


class SoundCopy:
    """Puts the first sound track of a clip into a container, on the clip's own axis. `with` opens the clip.

    A clip without sound gives nothing.
    """

    def __init__(self, clip: str, output: OutputContainer) -> None:
        """Read `clip`, write `output`, to which nothing was written yet."""
        self._clip, self._output = clip, output
        self._packets: Iterator[av.Packet[Stream]] = iter(())
        self._next: av.Packet[Stream] | None = None

    def __enter__(self) -> Self:
        self._container = open_container(self._clip)
        source = first_stream(self._container, "audio")
        self._encoder: AudioStream | None = None
        if isinstance(source, AudioStream):
            if source.codec_context.name in _COPIED:
                self._target: AudioStream = self._output.add_stream_from_template(source)
            else:
                self._encoder = self._output.add_stream("aac", rate=source.rate or 48_000)
                self._encoder.layout = "stereo" if source.channels > 1 else "mono"
                self._encoder.bit_rate = _BITS_PER_SECOND
            self._packets = self._container.demux([source])
            self._next = self._following()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def write_until(self, t: float) -> None:
        """Write what comes before clip time `t`, in seconds."""
        while self._next is not None:
            packet = self._next
            if packet.dts is not None and packet.time_base and float(packet.dts * packet.time_base) >= t:
                return
            self._write(packet)
            self._next = self._following()

    def finish(self) -> None:
        """Write what is left."""
        self.write_until(float("inf"))
        if self._encoder is not None:
            self._output.mux(self._encoder.encode(None))

    def _write(self, packet: av.Packet[Stream]) -> None:
        if self._encoder is None:
            packet.stream = self._target
            self._output.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:  # a damaged packet; the next one lies by its own time
            return
        for frame in frames:
            if isinstance(frame, av.AudioFrame):
                self._output.mux(self._encoder.encode(frame))

    def _following(self) -> av.Packet[Stream] | None:
        """The next packet with sound; the end of a damaged track is its end."""
        try:
            while (packet := next(self._packets, None)) is not None:
                if packet.size and (packet.dts is not None or self._encoder is not None):
                    return packet
        except av.error.FFmpegError:
            pass
        return None
