"""What the servers of the soak send: the synthetic actor, for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2

from benchmarks.soak.server import Feed, mjpeg_part
from emostream.engines.media.track import VideoTrack

__all__ = ["camera_feed", "live_feed"]

_FPS = 15
_QUALITY = 80
_BETWEEN_S = 0.1  # two rounds: sound begins before time 0, with what its encoder needs to settle


def camera_feed(clip: Path) -> Feed:
    """The pictures of a clip as Motion JPEG, 15 a second."""
    parts: list[bytes] = []
    with VideoTrack(str(clip)) as video:
        for frame in video:
            if frame.t * _FPS >= len(parts):
                jpeg = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
                parts.append(mjpeg_part(jpeg.tobytes()))

    def feed() -> Iterator[tuple[bytes, float]]:
        while True:
            for part in parts:
                yield part, 1 / _FPS

    return feed


def live_feed(clip: Path) -> Feed:
    """A clip with picture and sound as an MPEG transport stream, over and over."""

    def feed() -> Iterator[tuple[bytes, float]]:
        made = _Pipe()
        with av.open(made, "w", format="mpegts") as out:
            with av.open(str(clip)) as source:  # all before the first packet, which writes the head
                streams = [out.add_stream_from_template(stream) for stream in source.streams]
            begun = sent = 0.0
            while True:
                end = begun
                with av.open(str(clip)) as source:
                    for packet in source.demux():
                        if packet.dts is None or packet.time_base is None:
                            continue
                        shift = round(begun / packet.time_base)
                        at = begun + float(packet.dts * packet.time_base)
                        end = max(end, at + float((packet.duration or 0) * packet.time_base))
                        packet.dts += shift
                        packet.pts = None if packet.pts is None else packet.pts + shift
                        packet.stream = streams[packet.stream.index]
                        out.mux(packet)
                        if piece := made.take():
                            yield piece, max(0.0, at - sent)
                            sent = max(sent, at)
                begun = end + _BETWEEN_S

    return feed


class _Pipe:
    """Takes what a muxer writes, which may not seek in it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken
