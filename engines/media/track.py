"""One track of a recording, decoded from its beginning to its end."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, TypeVar

import av
import av.error
from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream
from typing_extensions import Self

from emostream.engines.errors import SourceError
from emostream.engines.media.audio import AudioBlock, AudioUnpacker
from emostream.engines.media.container import TrackKind, first_stream, is_url, open_container
from emostream.engines.media.decoding import PacketDecoder
from emostream.engines.media.video import VideoFrame, VideoUnpacker
from emostream.engines.redaction import redacted
from emostream.engines.settings import SAMPLE_RATE

__all__ = ["AudioTrack", "Track", "VideoTrack"]

_log = logging.getLogger("emostream")

_DURATION = re.compile(r"(\d{2,}):(\d\d):(\d\d(?:\.\d+)?)")
_CUT_SHORT_S = 1.0
_LONGEST_JUMP_S = 24 * 3600.0  # damaged timestamps would make years of silence of a short file

Item = TypeVar("Item", AudioBlock, VideoFrame)


class Track(ABC, Generic[Item]):
    """A track of a file. `with` opens it, and decodes its first item; iterating gives all of them.

    Attributes:
        start: time of its first item in seconds.
        end: time at which what was given so far ends.
    """

    kind: TrackKind

    def __init__(self, path: str) -> None:
        """Name the file; nothing is opened yet."""
        self.path = path
        self.start = self.end = 0.0

    def __enter__(self) -> Self:
        self._container = open_container(self.path)
        try:
            stream = first_stream(self._container, self.kind)
            if stream is None:
                raise SourceError(f"{redacted(self.path)} has no {self.kind} track")
            self._limit = _end_of_edit(self.path, self._container.format.name, stream)
            self._declared = _declared_end(stream)
            self._items: Iterator[Item] = self._decode(stream)
            self._first: Item | None = next(self._items, None)
            if self._first is None:
                raise SourceError(
                    f"{redacted(self.path)}: nothing of its {self.kind} track can be decoded; it is damaged"
                    + (", or its server can't seek: download it first" if is_url(self.path) else "")
                )
            begun = self._container.start_time
            self._refuse_jump(self._first.t if begun is None else begun / av.time_base, self._first.t)
        except BaseException:
            self._container.close()
            raise
        self.start = self.end = self._first.t
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Item]:
        for item in self._rest():
            if item.t >= self._limit:
                return
            self._refuse_jump(self.end, item.t)
            self.end = max(self.end, min(item.end, self._limit))
            yield self._until_limit(item)
        if self._declared > self.end + _CUT_SHORT_S:
            _log.warning(
                "%s: its %s track ends at %.1f s, and should at %.1f s: the file was cut short",
                redacted(self.path),
                self.kind,
                self.end,
                self._declared,
            )

    def _refuse_jump(self, before: float, now: float) -> None:
        if abs(now - before) > _LONGEST_JUMP_S:
            raise SourceError(
                f"{redacted(self.path)}: the times of its {self.kind} track jump from {before:.1f} to {now:.1f} s, "
                f"expected gaps of at most {_LONGEST_JUMP_S:.0f} s; it is damaged, or has to be cut in two"
            )

    @abstractmethod
    def _decode(self, stream: Stream) -> Iterator[Item]:
        """The items of the whole track."""

    def _until_limit(self, item: Item) -> Item:
        return item

    def _rest(self) -> Iterator[Item]:
        if self._first is not None:
            yield self._first
        yield from self._items

    def _packets(self, stream: Stream) -> Iterator[av.Packet[Stream]]:
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                _log.warning("%s: its %s track ends early: %s", redacted(self.path), self.kind, error.strerror)
                return
            if packet is None:
                return
            yield packet

    def _frames(self, stream: Stream) -> Iterator[av.AudioFrame | av.VideoFrame]:
        decoder = PacketDecoder(self.path, self.kind)
        for packet in self._packets(stream):
            yield from decoder.frames(packet)
            if decoder.given_up:
                return


class AudioTrack(Track[AudioBlock]):
    """The first audio track of a file, as blocks."""

    kind = "audio"

    def _decode(self, stream: Stream) -> Iterator[AudioBlock]:
        assert isinstance(stream, AudioStream)
        unpacker = AudioUnpacker()
        for frame in self._frames(stream):
            if isinstance(frame, av.AudioFrame):
                yield from unpacker.push(frame)
        yield from unpacker.flush()

    def _until_limit(self, item: AudioBlock) -> AudioBlock:
        if item.end <= self._limit:
            return item
        return AudioBlock(item.t, item.samples[: round((self._limit - item.t) * SAMPLE_RATE)], item.lost)


class VideoTrack(Track[VideoFrame]):
    """The first video track of a file, as frames."""

    kind = "video"

    def _decode(self, stream: Stream) -> Iterator[VideoFrame]:
        assert isinstance(stream, VideoStream)
        stream.thread_type = "SLICE"  # frame threads hold several frames back, and burden the engine's cores
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        unpacker = VideoUnpacker(rate, aspect=stream.sample_aspect_ratio)
        for frame in self._frames(stream):
            if isinstance(frame, av.VideoFrame):
                yield from unpacker.push(frame)


def _end_of_edit(path: str, container: str, stream: Stream) -> float:
    """Where the edit list of an MP4 or MOV ends a track; decoders give a little more. Elsewhere lengths are guesses."""
    # Where a server can't seek, FFmpeg knows the length of the first fragment only.
    if is_url(path) or "mp4" not in container.split(",") or not stream.duration or stream.time_base is None:
        return float("inf")
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base)


def _declared_end(stream: Stream) -> float:
    """When a track of a Matroska file ends by what its writer noted of it; 0 where nothing is noted."""
    found = _DURATION.fullmatch(stream.metadata.get("DURATION", ""))
    return 0.0 if found is None else 3600.0 * int(found[1]) + 60.0 * int(found[2]) + float(found[3])
