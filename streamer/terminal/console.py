"""What the command says on a terminal: a line when the label changes, and what it sees and hears when there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from emostream.streamer.pipeline.meters import Levels, Meters
from emostream.streamer.protocol.events import EmotionEvent, Event, SourceState

__all__ = ["Console", "Watched", "describe_scene", "light_word", "sound_word"]

_ABSENT_S = 5.0
_DARK = 25.0  # mean grey level below which no face can be found
_DIM, _GLARING = 60.0, 220.0
_MUTED_DBFS = -90.0  # below the noise of any microphone that is on
_SILENT_DBFS = -50.0


class Watched(Protocol):
    """What the terminal says of a stream, beside its events."""

    @property
    def name(self) -> str:
        """Of the stream."""

    @property
    def meters(self) -> Meters:
        """What is counted of it."""

    @property
    def states(self) -> Mapping[str, SourceState]:
        """Of its sources, by modality."""


class Console:
    """Prints from the publisher's events, and from the meters when no label comes."""

    def __init__(self, streams: Sequence[Watched], write: Callable[[str], None], *, trained: bool) -> None:
        """Print with `write`; the labels of an untrained bundle are not called emotions."""
        word = "emotion" if trained else "class (untrained)"
        several = len(streams) > 1
        self._lines = {
            stream.name: _Lines(stream, write, word, f"{stream.name}  " if several else "") for stream in streams
        }

    def on_event(self, event: Event) -> None:
        """Take an event that was just published."""
        if isinstance(event, EmotionEvent) and event.label is not None and event.scores is not None:
            self._lines[event.stream].say(event.label, event.scores[event.label], event.head, event.t_end)

    def on_tick(self) -> None:
        """Say what each stream sees and hears, once, after five seconds without face and voice."""
        for lines in self._lines.values():
            lines.say_absent()


class _Lines:
    """The lines of one stream."""

    def __init__(self, stream: Watched, write: Callable[[str], None], word: str, prefix: str) -> None:
        self._stream, self._write, self._word, self._prefix = stream, write, word, prefix
        self._label: str | None = None
        self._labelled_at = time.monotonic()
        self._said_absent = False

    def say(self, label: str, score: float, head: str | None, t_end: float) -> None:
        self._labelled_at = time.monotonic()
        self._said_absent = False
        if label != self._label:
            self._label = label
            clock = time.strftime("%H:%M:%S", time.localtime(t_end))
            self._write(f"{clock}  {self._prefix}{self._word}: {label}  {score:.0%}  from {head}")

    def say_absent(self) -> None:
        if not self._said_absent and time.monotonic() - self._labelled_at > _ABSENT_S:
            self._said_absent = True
            self._label = None
            scene = describe_scene(self._stream.meters.levels, self._stream.states)
            self._write(f"{self._prefix}neither face nor voice: {scene}")


def describe_scene(levels: Levels, states: Mapping[str, SourceState]) -> str:
    """What the camera sees and the microphone hears, in words."""
    return f"{_seen(levels, states['video'])}; {_heard(levels, states['audio'])}"


def light_word(brightness: float) -> str:
    """How well lit a picture is, by its mean grey level, 0 to 255."""
    if brightness < _DARK:
        return "too dark"
    return "dim" if brightness < _DIM else "good" if brightness <= _GLARING else "very bright"


def sound_word(dbfs: float, *, speech: bool) -> str:
    """What a microphone hears: muted, silence, sound, or speech; its level is in dB of full scale."""
    if dbfs < _MUTED_DBFS:
        return "muted"
    return "speech" if speech else "silence" if dbfs < _SILENT_DBFS else "sound"


def _seen(levels: Levels, state: SourceState) -> str:
    if state == "off":
        return "no camera"
    if state in ("lost", "ended"):
        return f"the camera has {'been lost' if state == 'lost' else 'ended'}"
    if levels.brightness is None:
        return "the camera gives no picture (is another program using it?)"
    if light_word(levels.brightness) == "too dark":
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
    word = sound_word(level, speech=False)
    if word == "muted":
        return "the microphone is muted (digital silence)"
    return f"{'silence' if word == 'silence' else 'sound but no speech'} ({level:.0f} dB of full scale)"
