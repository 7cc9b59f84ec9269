"""What was seen and heard in a trial, in words, and the level of a microphone as a bar."""

from __future__ import annotations

from rich.text import Text

from emostream.streamer.checking.hints import microphone_hint
from emostream.streamer.checking.senses import Hearing, Sight
from emostream.streamer.showing.console import light_word, sound_word

__all__ = ["hearing_line", "level_meter", "sight_line"]

_QUIETEST_DB = -60.0
_WIDTH = 40
_SLOW = 12.0  # pictures a second, below which the sixteen of a segment repeat each other
_COLOURS = {"muted": "red", "silence": "yellow", "sound": "cyan", "speech": "green"}
_ADVICE = {"too dark": "light your face from the front", "dim": "more light would help"}


def sight_line(sight: Sight) -> str:
    """What a camera shows: the size of its pictures, their rate, their light, and whether there is a face."""
    assert sight.seen is not None
    width, height = sight.seen.size
    light = light_word(sight.seen.brightness)
    parts = [
        f"{width} x {height}, {sight.rate:.0f} pictures a second",
        f"brightness {sight.seen.brightness:.0f} of 255: {light}",
    ]
    if sight.face is not None and sight.face[0].box is not None:
        parts.append(f"a face, {sight.face[0].box[2]} pixels wide")
    else:
        parts.append("no face found" if light in _ADVICE else "no face found: look straight into it, from 0.5 to 2 m")
    if light in _ADVICE:
        parts.append(_ADVICE[light])
    if sight.frames > 1 and sight.rate < _SLOW:
        parts.append("slow: many cameras take fewer pictures where there is little light")
    return "; ".join(parts)


def hearing_line(hearing: Hearing) -> str:
    """What a microphone hears: its level, a word for it, and what to do where it is no speech."""
    word = sound_word(hearing.level, speech=hearing.speech)
    if word == "muted":
        hint = microphone_hint(muted=True)
        return "muted: it gives digital silence" + (f"; {hint}" if hint else "")
    line = f"{hearing.level:.0f} dB of full scale: {word}"
    return line if word == "speech" else f"{line}; speak while it is checked, to see that it hears you"


def level_meter(dbfs: float, *, speech: bool) -> Text:
    """A bar from -60 to 0 dB of full scale, with the level and its word."""
    word = sound_word(dbfs, speech=speech)
    share = min(1.0, max(0.0, 1.0 - dbfs / _QUIETEST_DB))
    full = round(share * _WIDTH)
    text = Text("█" * full, style=_COLOURS[word]).append("·" * (_WIDTH - full), style="dim")
    return text.append(f" {max(dbfs, -99.0):4.0f} dB  {word}", style="default")
