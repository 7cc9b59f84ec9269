"""Which sources a stream has."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emostream.engines.errors import ConfigError, SourceError
from emostream.engines.media.container import Contents, is_url, open_container
from emostream.engines.redaction import redacted
from emostream.streamer.config import BROWSER, StreamConfig
from emostream.streamer.sources.base import Source
from emostream.streamer.sources.browser import Browser, BrowserSlot
from emostream.streamer.sources.camera import Camera
from emostream.streamer.sources.file import FileSource
from emostream.streamer.sources.microphone import Microphone
from emostream.streamer.sources.network_stream import NetworkStream

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


def open_sources(config: StreamConfig, browser_slot: BrowserSlot, *, fast: bool) -> list[Chosen]:
    """Open what the options name. A source that they don't name may be absent, with a warning.

    Args:
        config: the options.
        browser_slot: where a browser comes in.
        fast: whether it is to be played as quickly as possible.

    Raises:
        SourceError: a named source can't be opened, or there is none at all.
        ConfigError: `--fast` was said of a live source.
    """
    opened: list[Chosen] = []
    try:
        for chosen in choose(config, browser_slot):
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


def choose(config: StreamConfig, browser_slot: BrowserSlot) -> Iterator[Chosen]:
    """The sources that the options name, one after the other; each is to be opened before the next is asked for.

    Args:
        config: the options.
        browser_slot: where a browser comes in.

    Raises:
        SourceError: a file or URL can't be read, or has none of what is wanted.
    """
    if config.input is None:
        yield from _of_camera(config.camera, browser_slot)
        yield from _of_microphone(config.mic, browser_slot)
    elif config.input == BROWSER:
        yield _of_browser(browser_slot, "audio")
        yield _of_browser(browser_slot, "video")
    else:
        yield from _of_medium(config.input, audio=True, video=True)


def _of_camera(camera: str | None, browser_slot: BrowserSlot) -> Iterator[Chosen]:
    if camera is None:
        yield Chosen(Camera(0), audio=False, video=True, named=False)
    elif camera == BROWSER:
        yield _of_browser(browser_slot, "video")
    elif _INDEX.fullmatch(camera):
        yield Chosen(Camera(int(camera)), audio=False, video=True, named=True)
    elif camera.startswith("/dev/"):
        yield Chosen(Camera(camera), audio=False, video=True, named=True)
    elif camera != "none":
        yield from _of_medium(camera, audio=False, video=True)


def _of_microphone(mic: str | None, browser_slot: BrowserSlot) -> Iterator[Chosen]:
    if mic is None:
        yield Chosen(Microphone("default"), audio=True, video=False, named=False)
    elif mic == BROWSER:
        yield _of_browser(browser_slot, "audio")
    elif is_url(mic) or Path(mic).is_file() or _FILE_SUFFIX.search(mic):
        yield from _of_medium(mic, audio=True, video=False)
    elif mic != "none":
        yield Chosen(Microphone(mic), audio=True, video=False, named=True)


def _of_browser(browser_slot: BrowserSlot, track: Literal["audio", "video"]) -> Chosen:
    return Chosen(Browser(browser_slot, track), audio=track == "audio", video=track == "video", named=True)


def _of_medium(path: str, *, audio: bool, video: bool) -> Iterator[Chosen]:
    with ExitStack() as closing:
        container = closing.enter_context(open_container(path))
        contents = Contents.inside(container, path)
        audio_there, video_there = audio and contents.audio, video and contents.video
        if not (audio_there or video_there):
            raise SourceError(f"{redacted(path)} has no {'audio' if audio else 'video'} track")
        for wanted, there, kind in ((audio, audio_there, "audio"), (video, video_there, "video")):
            if wanted and not there:
                _log.warning("%s has no %s track; going on with the other", redacted(path), kind)
        if contents.live:
            closing.pop_all()
            yield Chosen(NetworkStream(path, container), audio_there, video_there, named=True)
            return
    if audio_there:
        yield Chosen(FileSource(path, "audio"), audio=True, video=False, named=True)
    if video_there:
        yield Chosen(FileSource(path, "video"), audio=False, video=True, named=True)
