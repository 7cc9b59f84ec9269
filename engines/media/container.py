"""Opening files and URLs, and what they hold."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal
from urllib.parse import urlsplit

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition, Stream

from emostream.engines.errors import SourceError
from emostream.engines.redaction import redacted

__all__ = ["Contents", "TrackKind", "first_stream", "is_url", "open_container"]

TrackKind = Literal["audio", "video"]

_MAX_CHANNELS = 64  # more FFmpeg can't convert
_MAX_PIXELS = 1 << 26  # of a picture; twice those of 8K video
_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 10.0


@dataclass(frozen=True)
class Contents:
    """What a file or URL holds: which tracks, and whether it is live, that is a URL of no known length."""

    audio: bool
    video: bool
    live: bool

    @classmethod
    def of(cls, path: str) -> Contents:
        """Look into a file or URL.

        Raises:
            SourceError: it can't be opened, or has neither audio nor video.
        """
        with open_container(path) as container:
            return cls.inside(container, path)

    @classmethod
    def inside(cls, container: InputContainer, path: str) -> Contents:
        """Look into a file or URL that is open; of image files without an index, this reads two pictures.

        Raises:
            SourceError: it has neither audio nor video, or is a single picture.
        """
        audio, video = (first_stream(container, kind) is not None for kind in ("audio", "video"))
        if not (audio or video):
            raise SourceError(f"{redacted(path)} has neither an audio nor a video track")
        if _is_single_picture(container):
            remedy = "cameras give their video at another address, see the manual" if is_url(path) else "name a video"
            raise SourceError(f"{redacted(path)} is a single picture, expected moving ones; {remedy}")
        return cls(audio, video, live=is_url(path) and not container.duration)


def open_container(path: str) -> InputContainer:
    """Open a file or URL.

    Raises:
        SourceError: it does not exist, is no medium that FFmpeg knows, can't be reached, is a pipe, or has pictures
            too large.
    """
    if not is_url(path) and _is_read_once(path):
        raise SourceError(f"{redacted(path)} is a pipe or a device, which can be read once only; name a file or a URL")
    begun = time.monotonic()
    try:
        container = av.open(path, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S) if is_url(path) else None)
    except av.error.InvalidDataError:
        reason = "is no audio or video that can be read; it is damaged, cut short, or something else"
    except av.error.FileNotFoundError:
        reason = "does not exist; check its path"
    except av.error.ProtocolNotFoundError:
        reason = "can't be opened: FFmpeg knows no such protocol; expected one such as http, https, rtsp, tcp or srt"
    except av.error.FFmpegError as error:
        unclear = is_url(path) and error.errno == errno.EIO
        reason = _why_unreachable(path) if unclear else f"can't be opened: {error.strerror}"
    except (OSError, ValueError):  # not FFmpeg's; a path that can't be one
        reason = "can't be opened: it is no path and no URL"
    else:
        if not (too_large := _bound_sizes(container)):
            return container
        container.close()
        reason = f"has {too_large}; make it again, smaller"
    if is_url(path) and time.monotonic() - begun >= _OPEN_TIMEOUT_S:  # FFmpeg then says one thing or another
        reason = f"did not answer within {_OPEN_TIMEOUT_S:.0f} s; check that it runs, and its address"
    raise SourceError(f"{redacted(path)} {reason}")


def _is_read_once(path: str) -> bool:
    if path.startswith("pipe:"):  # a protocol of FFmpeg's
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _why_unreachable(url: str) -> str:
    """What FFmpeg calls an input/output error."""
    try:
        host = urlsplit(url).hostname
        if host is not None:
            socket.getaddrinfo(host, None)
    except (OSError, ValueError):
        return "can't be reached: no host of that name is known; check its address"
    return "gives no audio or video, or broke off; check its address"


def _bound_sizes(container: InputContainer) -> str:
    """Let no decoder make a picture that would fill the memory; says what a track states that is too large."""
    for sound in container.streams.audio:
        if sound.codec_context is not None and sound.channels > _MAX_CHANNELS:
            return f"sound of {sound.channels} channels, expected at most {_MAX_CHANNELS}"
    for stream in container.streams.video:
        context = stream.codec_context
        if stream.disposition & Disposition.attached_pic or context is None:
            continue
        if context.width * context.height > _MAX_PIXELS:
            return f"pictures of {context.width} x {context.height} pixels, expected at most {_MAX_PIXELS:,}"
        context.options = {"max_pixels": str(_MAX_PIXELS)}  # what a track states, and what its packets hold, may differ
    return ""


def _is_single_picture(container: InputContainer) -> bool:
    """Whether FFmpeg took an image file for a video. One that it reads as a pipe may hold any number."""
    if container.format.name == "image2":
        return container.streams[0].duration == 1
    if not container.format.name.endswith("_pipe"):
        return False
    with suppress(av.error.FFmpegError):
        return sum(packet.size > 0 for packet in islice(container.demux(), 2)) < 2
    return False


def first_stream(container: InputContainer, kind: str) -> Stream | None:
    """The first track of a kind; cover art, which shows up as a video of one picture, is none."""
    streams = (s for s in container.streams if s.type == kind)
    return next((s for s in streams if not s.disposition & Disposition.attached_pic), None)


def is_url(path: str) -> bool:
    """Whether a source is a URL rather than a file."""
    return "://" in path
