"""The command `emostream devices --check`: opens each camera and microphone for a moment, one after the other."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from emostream.engines.errors import ConfigError, SourceError
from emostream.streamer.config import BROWSER, StreamConfig
from emostream.streamer.devices.hints import camera_hint, microphone_hint
from emostream.streamer.devices.probes import CameraProbe, MicrophoneProbe, Trial
from emostream.streamer.devices.report import (
    camera_line,
    check_picture_file,
    level_meter,
    marked,
    microphone_line,
    thumbnail,
    write_picture,
)
from emostream.streamer.sources.base import Source
from emostream.streamer.sources.browser import BrowserSlot
from emostream.streamer.sources.camera import Camera, list_cameras
from emostream.streamer.sources.choose import choose
from emostream.streamer.sources.microphone import Microphone
from emostream.streamer.sources.microphone_process import list_microphones

__all__ = ["check_devices"]

_LOOK_S = 0.05
_REFRESHES = 10  # a second


@dataclass(frozen=True)
class _Device:
    """What is checked.

    Attributes:
        key: as `--camera` or `--mic` names it.
        title: the line above what it gives.
        source: the device itself.
        named: whether the user named it, so that its failure is the command's.
    """

    key: str
    title: str
    source: Source
    named: bool = False


def check_devices(*, camera: str | None, mic: str | None, seconds: float, picture: Path | None) -> None:
    """Try devices, and print what they give; on a terminal while it comes, with a small picture of each camera.

    Args:
        camera: check this one; None: all, unless `mic` names one.
        mic: likewise.
        seconds: how long to try each, from its first picture or sound on.
        picture: file for a picture of the camera; where there are several, `NAME-KEY.SUFFIX` for each.

    Raises:
        SourceError: one that was named gives nothing, or none at all does, or the picture can't be written.
        ConfigError: the picture's name is of no format, or a browser was named.
    """
    if picture is not None:
        check_picture_file(picture)
    check = _Check(Console(highlight=False, markup=False, soft_wrap=True), seconds)
    if camera is not None or mic is not None:
        if camera is not None:
            check.camera(_named(camera, camera=camera, mic="none"), picture)
        if mic is not None:
            check.microphone(_named(mic, camera="none", mic=mic))
        if check.failures:
            raise SourceError("; ".join(check.failures))
        return
    check.say("Cameras (--camera):")
    cameras = [_Device(key, f"{key:>3}  {name}", _source(camera=key, mic="none")) for key, name in list_cameras()]
    for device in cameras:
        several = picture is not None and len(cameras) > 1
        check.camera(device, picture.with_stem(f"{picture.stem}-{device.key}") if picture and several else picture)
    if not cameras:
        check.say(f"       none found: {camera_hint('0') or 'plug one in'}")
    check.say("Microphones (--mic):")
    try:
        microphones = [("default", "what the system's settings choose"), *list_microphones()]
    except SourceError as error:
        check.say(f"       {error}")
        microphones = []
    for key, name in microphones:
        check.microphone(_Device(key, f"{key:>3}  {name}", _source(camera="none", mic=key)))
    if not check.works:
        raise SourceError("no camera and no microphone gives anything; see above why")


def _named(key: str, *, camera: str, mic: str) -> _Device:
    source = _source(camera=camera, mic=mic)
    return _Device(key, source.name, source, named=True)


def _source(*, camera: str, mic: str) -> Source:
    if BROWSER in (camera, mic):
        raise ConfigError("a browser's camera and microphone come with --web, and its page shows what they give")
    return next(choose(StreamConfig(camera=camera, mic=mic), BrowserSlot())).source


class _Check:
    """One device after the other.

    Attributes:
        works: how many gave something.
        failures: what is wrong with the others.
    """

    def __init__(self, console: Console, seconds: float) -> None:
        self._console, self._seconds = console, seconds
        self.works = 0
        self.failures: list[str] = []

    def say(self, line: str | Text) -> None:
        """Print a line."""
        self._console.print(line)

    def camera(self, device: _Device, picture: Path | None) -> None:
        """Try a camera."""
        probe = CameraProbe()
        failure = self._try(device, Trial(device.source, probe), lambda: _live_camera(probe), probe.look)
        frame = probe.frame
        if frame is None or probe.seen is None:
            self._fail(device, failure, camera_hint(device.key) if isinstance(device.source, Camera) else None)
            return
        self._say_that_it_works(device, camera_line(probe), failure)
        found, shown = probe.face or (None, frame)
        if self._console.is_terminal and self._console.color_system is not None:
            self.say(thumbnail(marked(shown.image, found)))
        if picture is not None:
            write_picture(picture, marked(shown.image, found))
            self.say(f"       picture: {picture}")

    def microphone(self, device: _Device) -> None:
        """Try a microphone."""
        probe = MicrophoneProbe()
        failure = self._try(device, Trial(device.source, probe), lambda: _live_microphone(probe), lambda: None)
        if probe.first is None:
            self._fail(device, failure, microphone_hint() if isinstance(device.source, Microphone) else None)
            return
        self._say_that_it_works(device, microphone_line(probe), failure)

    def _try(
        self, device: _Device, trial: Trial, live: Callable[[], RenderableType], look: Callable[[], None]
    ) -> str | None:
        """Try a device; what is wrong with it, if that is known."""
        self.say(f"  {device.title}")
        trial.start()
        with Live(console=self._console, get_renderable=live, transient=True, refresh_per_second=_REFRESHES):
            while trial.running(self._seconds):
                look()
                time.sleep(_LOOK_S)
        look()
        trial.end()
        return trial.failure

    def _say_that_it_works(self, device: _Device, line: str, failure: str | None) -> None:
        """Say what it gives, and where it was lost meanwhile, that too."""
        self.works += 1
        self.say(f"       {line}")
        if failure is not None:
            self._fail(device, failure, None)

    def _fail(self, device: _Device, failure: str | None, hint: str | None) -> None:
        told = re.sub(r"; `emostream devices` lists .*$", "", failure or f"{device.source.name} gives nothing")
        if hint is not None:
            guess = "there is no such camera, or another program uses it"
            told = told.replace(guess, hint) if guess in told else f"{told}; {hint}"
        self.failures.append(told)
        if not device.named:
            self.say(f"       {self.failures[-1]}")


def _live_camera(probe: CameraProbe) -> RenderableType:
    return Text(f"       {camera_line(probe)}" if probe.seen else "       opening it ...")


def _live_microphone(probe: MicrophoneProbe) -> RenderableType:
    if probe.first is None:
        return Text("       opening it ...")
    return Text("       ").append_text(level_meter(probe.level_now, speech=probe.speaking))
