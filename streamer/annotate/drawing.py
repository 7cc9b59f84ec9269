"""Drawing a result into a picture: the face, its eyes, the label, and a bar for each score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from emostream.engines.frontend.picture import Eyes
from emostream.streamer.colours import colours_of
from emostream.streamer.eventlog.timeline import caption
from emostream.streamer.protocol.events import EmotionEvent

__all__ = ["Drawing", "SeenFace"]

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _GREY, _FACE = (255, 255, 255), (190, 190, 190), (120, 230, 255)  # BGR, as all below
_MOST_BARS = 10
_DIMMED = 0.4  # of the picture behind text
_PLAIN_HEIGHT = 480  # for which sizes are given below
_LINE, _BAR, _TEXT, _TITLE = 22.0, 110.0, 0.5, 0.8


@dataclass(frozen=True)
class SeenFace:
    """The face in one picture.

    Attributes:
        t: time of the picture, in seconds of the stream.
        box: x, y, width, height in pixels; None without a face.
        eyes: x, y of both in pixels; None without a face.
    """

    t: float
    box: tuple[int, int, int, int] | None
    eyes: Eyes | None


class Drawing:
    """Draws into pictures of one size."""

    def __init__(self, labels: Sequence[str], height: int, width: int) -> None:
        """Choose sizes for pictures of `height` and `width` pixels."""
        on_dark = [colour.on_dark for colour in colours_of(labels)]
        self._colours = {label: _bgr(colour) for label, colour in zip(labels, on_dark, strict=True)}
        self._scale = max(min(height, width * 3 / 4) / _PLAIN_HEIGHT, 0.3)

    def draw(self, image: Picture, face: SeenFace, event: EmotionEvent | None) -> None:
        """Draw into uint8 [height, width, 3], BGR."""
        self._draw_face(image, face)
        if event is None:
            return
        if event.label is None or event.scores is None:
            self._panel(image, [(caption(event), None, _GREY)], title=True)
            return
        self._panel(image, [(caption(event), None, _WHITE)], title=True)
        ranked = sorted(event.scores.items(), key=lambda item: -item[1])[:_MOST_BARS]
        shown = [label for label in event.scores if label in dict(ranked)]
        self._panel(
            image,
            [(label, event.scores[label], _WHITE if label == event.label else _GREY) for label in shown],
            title=False,
        )

    def _draw_face(self, image: Picture, face: SeenFace) -> None:
        thickness = self._pixels(2)
        if face.box is not None:
            x, y, width, height = face.box
            cv2.rectangle(image, (x, y), (x + width, y + height), _FACE, thickness, cv2.LINE_AA)
        for eye in face.eyes or ():
            middle = (round(eye[0]), round(eye[1]))
            cv2.circle(image, middle, self._pixels(5), _FACE, thickness, cv2.LINE_AA)

    def _panel(self, image: Picture, rows: Sequence[tuple[str, float | None, Colour]], *, title: bool) -> None:
        """Rows of text, with bars where they have a score: the title above, the bars below on the left."""
        size = self._scale * (_TITLE if title else _TEXT)
        line = self._pixels(_LINE * (1.5 if title else 1.0))
        margin, bar = self._pixels(8), self._pixels(_BAR)
        text_width = max(_width(text, size, self._pixels(1)) for text, _, _ in rows)
        width = min(text_width + 2 * margin + (0 if title else bar + margin), image.shape[1])
        top = 0 if title else max(image.shape[0] - line * len(rows) - margin, 0)
        behind = image[top : top + line * len(rows) + margin, :width]
        behind[:] = (behind * _DIMMED).astype(np.uint8)
        for number, (text, score, colour) in enumerate(rows):
            bottom = top + line * (number + 1) - self._pixels(4)
            _write(image, text, (margin, bottom), size, colour, self._pixels(1))
            if score is not None:
                left = text_width + 2 * margin
                corners = (left, bottom - self._pixels(11)), (left + max(round(score * bar), 1), bottom)
                cv2.rectangle(image, *corners, self._colours.get(text, _GREY), cv2.FILLED)

    def _pixels(self, plain: float) -> int:
        return max(round(plain * self._scale), 1)


def _bgr(colour: str) -> Colour:
    """`#rrggbb` as OpenCV has it."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


def _width(text: str, size: float, thickness: int) -> int:
    (width, _), _ = cv2.getTextSize(_drawable(text), _FONT, size, thickness)
    return int(width)


def _write(image: Picture, text: str, place: tuple[int, int], size: float, colour: Colour, thickness: int) -> None:
    cv2.putText(image, _drawable(text), place, _FONT, size, colour, thickness, cv2.LINE_AA)


def _drawable(text: str) -> str:
    """OpenCV's letters are those of ASCII."""
    return text.encode("ascii", "replace").decode()
