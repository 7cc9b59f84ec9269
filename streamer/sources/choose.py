"""Which sources a stream has."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engines.errors import ConfigError, SourceError
from engines.media.container import Contents, is_url
from engines.redaction import redacted
from streamer.config import BROWSER, StreamConfig
from streamer.sources.base import Source
from streamer.sources.browser import Browser, Doorway
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


def open_sources(config: StreamConfig, doorway: Doorway, *, fast: bool) -> list[Chosen]:
    """Open what the options name. A source that they don't name may be absent, with a warning.

    Args:
        config: the options.
        doorway: where a browser comes in.
        fast: whether it is to be played as quickly as possible.

    Raises:
        SourceError: a named source can't be opened, or there is none at all.
        ConfigError: `--fast` was said of a live source.
    """
    opened: list[Chosen] = []
    try:
        for chosen in choose(config, doorway):
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


def choose(config: StreamConfig, doorway: Doorway) -> list[Chosen]:
    """The sources that the options name, not open yet.

    Args:
        config: the options.
        doorway: where a browser comes in.

    Raises:
        SourceError: a file or URL can't be read, or has none of what is wanted.
    """
    if config.input is None:
        return _of_camera(config.camera, doorway) + _of_microphone(config.mic, doorway)
    if config.input == BROWSER:
        return [_of_browser(doorway, "audio"), _of_browser(doorway, "video")]
    return _of_medium(config.input, audio=True, video=True)


def _of_camera(camera: str | None, doorway: Doorway) -> list[Chosen]:
    if camera is None:
        return [Chosen(Camera(0), audio=False, video=True, named=False)]
    if camera == "none":
        return []
    if camera == BROWSER:
        return [_of_browser(doorway, "video")]
    if _INDEX.fullmatch(camera):
        return [Chosen(Camera(int(camera)), audio=False, video=True, named=True)]
    if camera.startswith("/dev/"):
        return [Chosen(Camera(camera), audio=False, video=True, named=True)]
    return _of_medium(camera, audio=False, video=True)


def _of_microphone(mic: str | None, doorway: Doorway) -> list[Chosen]:
    if mic is None:
        return [Chosen(Microphone("default"), audio=True, video=False, named=False)]
    if mic == "none":
        return []
    if mic == BROWSER:
        return [_of_browser(doorway, "audio")]
    if is_url(mic) or Path(mic).is_file() or _FILE_SUFFIX.search(mic):
        return _of_medium(mic, audio=True, video=False)
    return [Chosen(Microphone(mic), audio=True, video=False, named=True)]


def _of_browser(doorway: Doorway, track: Literal["audio", "video"]) -> Chosen:
    return Chosen(Browser(doorway, track), audio=track == "audio", video=track == "video", named=True)


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
