"""Where a segment's result stands on the axis of its stream, and what is said of it.

Segments of 655 ms overlap, one every 300 ms. Whoever shows one result at a time gives each of them the 300 ms in the
middle of its segment.
"""

from __future__ import annotations

from emostream.engines.frontend.grid import SEGMENT_SECONDS, seconds
from emostream.engines.frontend.settings import SHIFT_SAMPLES
from emostream.streamer.events import EmotionEvent

__all__ = ["MARGIN_SECONDS", "SHIFT_SECONDS", "caption", "cell"]

SHIFT_SECONDS = seconds(SHIFT_SAMPLES)
MARGIN_SECONDS = (SEGMENT_SECONDS - SHIFT_SECONDS) / 2
"""From the beginning of a segment to that of its cell, and from the end of the cell to that of the segment."""

_ABSENT = {"no_face": "no face", "no_voice": "no voice", "source_lost": "lost", "off": "off"}


def cell(media_time: float) -> tuple[float, float]:
    """Beginning and end, in seconds of the stream, of the cell of the segment that ends at `media_time`."""
    end = media_time - MARGIN_SECONDS
    return end - SHIFT_SECONDS, end


def caption(event: EmotionEvent) -> str:
    """A segment's result in a few words, as in `joy 81 %, fused`."""
    if event.label is not None and event.scores is not None:
        score = event.scores.get(event.label, 0.0)
        return f"{event.label} {100 * score:.0f} %, {event.head}"
    reasons = {"face": event.reason.video, "voice": event.reason.audio}
    return ", ".join(_absence(what, reason) for what, reason in reasons.items() if reason is not None)


def _absence(what: str, reason: str) -> str:
    words = _ABSENT[reason]
    return words if words.startswith("no ") else f"{'camera' if what == 'face' else 'microphone'} {words}"
