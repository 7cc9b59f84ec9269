"""Decoding one track packet by packet, past the damaged ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import av
import av.error
from av.stream import Stream

from emostream.engines.media.container import TrackKind
from emostream.engines.redaction import redacted

__all__ = ["PacketDecoder"]

_log = logging.getLogger("emostream")

_MAX_DAMAGED = 100  # packets in a row


class PacketDecoder:
    """Decodes the packets of one track. The first damaged one is logged, and so is giving up.

    Attributes:
        given_up: too many packets in a row were damaged; nothing more comes.
    """

    def __init__(self, path: str, kind: TrackKind) -> None:
        """Name the file or URL, and the kind of the track, for the log."""
        self._path, self._kind = redacted(path), kind
        self._damaged = 0
        self._warned = False
        self.given_up = False

    def frames(self, packet: av.Packet[Stream]) -> Sequence[av.AudioFrame | av.VideoFrame]:
        """The frames that a packet completes; none of a damaged one."""
        if self.given_up:
            return []
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            self._note_damage(error)
            return []
        self._damaged = 0
        return [frame for frame in frames if isinstance(frame, (av.AudioFrame, av.VideoFrame))]

    def _note_damage(self, error: av.error.FFmpegError) -> None:
        self._damaged += 1
        if not self._warned:
            self._warned = True
            _log.warning("%s: damaged %s, going on: %s", self._path, self._kind, error.strerror)
        if self._damaged >= _MAX_DAMAGED:
            self.given_up = True
            _log.warning("%s: its %s track is too damaged to go on", self._path, self._kind)
