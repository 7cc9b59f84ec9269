"""What the command says on a terminal: a line when the label changes, and what it sees and hears when there is none."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamer.events import EmotionEvent, Event, SourceState
from streamer.meters import Levels, Meters

__all__ = ["Console", "describe_scene"]

_ABSENT_S = 5.0
_DARK = 25.0  # mean grey level below which no face can be found
_MUTED_DBFS = -90.0  # below the noise of any microphone that is on
_SILENT_DBFS = -50.0


class Console:
    """Prints from the publisher's events, and from the meters when no label comes."""

    def __init__(
        self, meters: Meters, states: dict[str, SourceState], write: Callable[[str], None], *, trained: bool
    ) -> None:
        """Print with `write`; the labels of an untrained bundle are not called emotions."""
        self._meters, self._states, self._write = meters, states, write
        self._word = "emotion" if trained else "class (untrained)"
        self._label: str | None = None
        self._labelled_at = time.monotonic()
        self._said_absent = False

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        if not isinstance(event, EmotionEvent) or event.label is None or event.scores is None:
            return
        self._labelled_at = time.monotonic()
        self._said_absent = False
        if event.label != self._label:
            self._label = event.label
            clock = time.strftime("%H:%M:%S", time.localtime(event.t_end))
            self._write(f"{clock}  {self._word}: {event.label}  {event.scores[event.label]:.0%}  from {event.head}")

    def on_tick(self) -> None:
        """Say what is seen and heard, once, after five seconds without face and voice."""
        if not self._said_absent and time.monotonic() - self._labelled_at > _ABSENT_S:
            self._said_absent = True
            self._label = None
            self._write(f"neither face nor voice: {describe_scene(self._meters.levels, self._states)}")


def describe_scene(levels: Levels, states: dict[str, SourceState]) -> str:
    """What the camera sees and the microphone hears, in words."""
    return f"{_seen(levels, states['video'])}; {_heard(levels, states['audio'])}"


def _seen(levels: Levels, state: SourceState) -> str:
    if state == "off":
        return "no camera"
    if state in ("lost", "ended"):
        return f"the camera has {'been lost' if state == 'lost' else 'ended'}"
    if levels.brightness is None:
        return "the camera gives no picture (is another program using it?)"
    if levels.brightness < _DARK:
        return f"the picture is too dark (brightness {levels.brightness:.0f} of 255)"
    if not levels.face:
        return "no face in the picture"
    return "a face is coming into view"


def _heard(levels: Levels, state: SourceState) -> str:
    if state == "off":
        return "no microphone"
    if state in ("lost", "ended"):
        return f"the microphone has {'been lost' if state == 'lost' else 'ended'}"
    level = levels.audio_dbfs
    if level is None:
        return "the microphone gives no sound (is another program using it?)"
    if level < _MUTED_DBFS:
        return "the microphone is muted (digital silence)"
    if level < _SILENT_DBFS:
        return f"silence ({level:.0f} dB of full scale)"
    return f"sound but no speech ({level:.0f} dB of full scale)"
