"""A picture for the terminal, and one for a file, with the face that was found marked."""

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

__all__ = ["check_picture_file", "marked", "thumbnail", "write_picture"]

_COLUMNS = 48
_GREEN = (0, 200, 0)
_SUFFIXES = (".jpg", ".jpeg", ".png")


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


def thumbnail(image: Image, columns: int = _COLUMNS) -> Text:
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
