"""WebVTT: the label of each segment as a subtitle, and the utterances above (W3C, WebVTT 1)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from emostream.streamer.eventlog.timeline import Span, Timeline

__all__ = ["vtt_lines", "write_vtt"]

_BREAKS = re.compile(r"[\s\x00-\x1f\x7f]+")
_UTTERANCES = " line:0 size:100%"


def write_vtt(path: Path, line: Timeline) -> None:
    """Write a timeline.

    Raises:
        OSError: there is no room.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(vtt_lines(line))


def vtt_lines(line: Timeline) -> Iterator[str]:
    """The file, in pieces: cues in order of their beginning, `uN` for utterances and `sN` for segments."""
    yield "WEBVTT - emotion by emostream\n"
    cues = [(span.start, f"u{n}", span, _UTTERANCES) for n, span in enumerate(line.utterances, 1)]
    cues += [(one.start, f"s{n}", Span(one.start, one.end, one.text), "") for n, one in enumerate(line.intervals, 1)]
    for _, name, span, settings in sorted(cues, key=lambda cue: cue[0]):
        start, end = _milliseconds(span.start), max(_milliseconds(span.end), _milliseconds(span.start) + 1)
        text = span.text if name.startswith("s") else f"utterance {span.text}"
        yield f"\n{name}\n{_clock(start)} --> {_clock(end)}{settings}\n{_text(text)}\n"


def _text(text: str) -> str:
    """Cue text is one line, and may not look like markup or like a time."""
    return html.escape(_BREAKS.sub(" ", text), quote=False).strip() or "-"


def _milliseconds(t: float) -> int:
    return max(0, round(1000 * t))


def _clock(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"
