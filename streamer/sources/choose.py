"""Which sources a stream has."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from engines.errors import ConfigError, SourceError
from engines.media.container import Contents, is_url
from engines.redaction import redacted
from streamer.config import StreamConfig
from streamer.sources.base import Source
from streamer.sources.camera import Camera
from streamer.sources.microphone import Microphone
from streamer.sources.network_stream import NetworkStream
from streamer.sources.recording import Recording

__all__ = ["Chosen", "choose", "open_sources"]

_log = logging.getLogger("emostream")

_INDEX = re.compile(r"[0-9]{1,4}")
_FILE_SUFFIX = re.compile(r"\.[A-Za-z0-9]{2,4}$")


@dataclass(frozen=True)
class Chosen:
    """A source, what it is to give, and whether the user named it."""

    source: Source
    audio: bool
    video: bool
    named: bool


def open_sources(config: StreamConfig, *, fast: bool) -> list[Chosen]:
    """Open what the options name. A source that they don't name may be absent, with a warning.

    Args:
        config: the options.
        fast: whether it is to be played as quickly as possible.

    Raises:
        SourceError: a named source can't be opened, or there is none at all.
        ConfigError: `--fast` was said of a live source.
    """
    opened: list[Chosen] = []
    try:
        for chosen in choose(config):
            try:
                chosen.source.open()
            except SourceError as error:
                if chosen.named:
                    raise
                _log.warning("%s; going on without it", error)
                continue
            opened.append(chosen)
        if not opened:
            raise SourceError(
                "there is no camera and no microphone; name one with --camera or --mic, or play a file with --input"
            )
        live = [chosen.source.name for chosen in opened if not chosen.source.recorded]
        if fast and live:
            raise ConfigError(f"--fast plays files as quickly as possible, but {live[0]} is live; leave out --fast")
    except BaseException:
        for chosen in opened:
            chosen.source.close()
        raise
    return opened


def choose(config: StreamConfig) -> list[Chosen]:
    """The sources that the options name, not open yet.

    Raises:
        SourceError: a file or URL can't be read, or has none of what is wanted.
    """
    if config.input is not None:
        return _of_medium(config.input, audio=True, video=True)
    chosen = []
    if config.camera is None:
        chosen.append(Chosen(Camera(0), audio=False, video=True, named=False))
    elif _INDEX.fullmatch(config.camera):
        chosen.append(Chosen(Camera(int(config.camera)), audio=False, video=True, named=True))
    elif config.camera.startswith("/dev/"):
        chosen.append(Chosen(Camera(config.camera), audio=False, video=True, named=True))
    elif config.camera != "none":
        chosen += _of_medium(config.camera, audio=False, video=True)
    if config.mic is None:
        chosen.append(Chosen(Microphone("default"), audio=True, video=False, named=False))
    elif is_url(config.mic) or Path(config.mic).is_file() or _FILE_SUFFIX.search(config.mic):
        chosen += _of_medium(config.mic, audio=True, video=False)
    elif config.mic != "none":
        chosen.append(Chosen(Microphone(config.mic), audio=True, video=False, named=True))
    return chosen


def _of_medium(path: str, *, audio: bool, video: bool) -> list[Chosen]:
    contents = Contents.of(path)
    audio_there, video_there = audio and contents.audio, video and contents.video
    if not (audio_there or video_there):
        raise SourceError(f"{redacted(path)} has no {'audio' if audio else 'video'} track")
    for wanted, there, kind in ((audio, audio_there, "audio"), (video, video_there, "video")):
        if wanted and not there:
            _log.warning("%s has no %s track; going on with the other", redacted(path), kind)
    if contents.live:
        return [Chosen(NetworkStream(path), audio_there, video_there, named=True)]
    tracks: list[Chosen] = []
    if audio_there:
        tracks.append(Chosen(Recording(path, "audio"), audio=True, video=False, named=True))
    if video_there:
        tracks.append(Chosen(Recording(path, "video"), audio=False, video=True, named=True))
    return tracks
