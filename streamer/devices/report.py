"""What a check of devices prints and writes: a line a device, a level meter, a picture with the face marked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text

from emostream.engines.errors import ConfigError, SourceError
from emostream.engines.frontend.clip import FrameFace
from emostream.engines.frontend.picture import Image
from emostream.streamer.devices.hints import microphone_hint
from emostream.streamer.devices.probes import CameraProbe, MicrophoneProbe
from emostream.streamer.terminal.console import light_word, sound_word

__all__ = [
    "camera_line",
    "check_picture_file",
    "level_meter",
    "marked",
    "microphone_line",
    "thumbnail",
    "write_picture",
]

_METER_QUIETEST_DB = -60.0
_METER_WIDTH = 40
_SLOW = 12.0  # pictures a second, below which the sixteen of a segment repeat each other
_METER_COLOURS = {"muted": "red", "silence": "yellow", "sound": "cyan", "speech": "green"}
_ADVICE = {"too dark": "light your face from the front", "dim": "more light would help"}

_THUMBNAIL_COLUMNS = 48
_GREEN = (0, 200, 0)
_SUFFIXES = (".jpg", ".jpeg", ".png")


def camera_line(probe: CameraProbe) -> str:
    """What a camera shows: the size of its pictures, their rate, their light, and whether there is a face."""
    assert probe.seen is not None
    width, height = probe.seen.size
    light = light_word(probe.seen.brightness)
    parts = [
        f"{width} x {height}, {probe.rate:.0f} pictures a second",
        f"brightness {probe.seen.brightness:.0f} of 255: {light}",
    ]
    if probe.face is not None and probe.face[0].box is not None:
        parts.append(f"a face, {probe.face[0].box[2]} pixels wide")
    else:
        parts.append("no face found" if light in _ADVICE else "no face found: look straight into it, from 0.5 to 2 m")
    if light in _ADVICE:
        parts.append(_ADVICE[light])
    if probe.frames > 1 and probe.rate < _SLOW:
        parts.append("slow: many cameras take fewer pictures where there is little light")
    return "; ".join(parts)


def microphone_line(probe: MicrophoneProbe) -> str:
    """What a microphone hears: its level, a word for it, and what to do where it is no speech."""
    word = sound_word(probe.level, speech=probe.speech)
    if word == "muted":
        hint = microphone_hint(muted=True)
        return "muted: it gives digital silence" + (f"; {hint}" if hint else "")
    line = f"{probe.level:.0f} dB of full scale: {word}"
    return line if word == "speech" else f"{line}; speak while it is checked, to see that it hears you"


def level_meter(dbfs: float, *, speech: bool) -> Text:
    """A bar from -60 to 0 dB of full scale, with the level and its word."""
    word = sound_word(dbfs, speech=speech)
    share = min(1.0, max(0.0, 1.0 - dbfs / _METER_QUIETEST_DB))
    full = round(share * _METER_WIDTH)
    text = Text("█" * full, style=_METER_COLOURS[word]).append("·" * (_METER_WIDTH - full), style="dim")
    return text.append(f" {max(dbfs, -99.0):4.0f} dB  {word}", style="default")


def marked(image: Image, face: FrameFace | None) -> Image:
    """A copy of a picture, uint8 [height, width, 3] in BGR, with the box of the face and its eyes drawn into it."""
    drawn: Image = image.copy()
    if face is not None and face.box is not None:
        x, y, width, height = face.box
        line = max(2, image.shape[1] // 200)
        cv2.rectangle(drawn, (x, y), (x + width, y + height), _GREEN, line)
        for eye_x, eye_y in face.eyes or ():
            cv2.circle(drawn, (round(eye_x), round(eye_y)), 2 * line, _GREEN, -1)
    return drawn


def thumbnail(image: Image, columns: int = _THUMBNAIL_COLUMNS) -> Text:
    """A picture of half blocks, two pixels in a character, for terminals with colours.

    Args:
        image: uint8 [height, width, 3] in BGR.
        columns: characters in a line.
    """
    rows = max(1, round(image.shape[0] / image.shape[1] * columns / 2))
    small = cv2.resize(image, (columns, 2 * rows), interpolation=cv2.INTER_AREA)[:, :, ::-1].tolist()
    text = Text()
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        text.append("\n")
    text.rstrip()
    return text


def check_picture_file(path: Path) -> None:
    """Refuse a name of which no picture can be made.

    Raises:
        ConfigError: it ends in none of .jpg, .jpeg and .png.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"--picture {path} is no picture's name; expected one that ends in {', '.join(_SUFFIXES)}")


def write_picture(path: Path, image: Image) -> None:
    """Write a picture.

    Raises:
        SourceError: the file can't be written.
    """
    _, encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(image))
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise SourceError(f"--picture {path} can't be written: {error.strerror}; choose another place") from None
