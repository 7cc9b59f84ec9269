"""Asks the heads of voice and face alone for each segment of a recording; an event holds one head's result only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from emostream.engines.recognizer import Recognizer
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.offline import Found, recognise
from emostream.streamer.review.columns import SessionColumns

__all__ = ["BothHeads", "ask_heads", "heads_of"]

BothHeads = tuple[Mapping[str, float] | None, Mapping[str, float] | None]
"""Scores of the voice's head and of the face's, by label; None where it can't tell."""


def heads_of(found: Found, recognizer: Recognizer) -> BothHeads:
    """Of a segment that has both voice and face; of others there is nothing to compare."""
    features = found.features
    if features is None or features.audio is None or features.video is None:
        return None, None
    return recognizer.score("audio", features.audio).by_label, recognizer.score("video", features.video).by_label


def ask_heads(
    session: SessionColumns,
    media: Path,
    recognizer: Recognizer,
    options: RecognitionConfig,
    stop: threading.Event,
    on_time: Callable[[float], None],
) -> None:
    """Recognise the media of a recording, whose segments lie where those of its events do, and fill in the heads.

    Args:
        session: the events.
        media: pictures and sound of the same stream.
        recognizer: with the bundle that gave the events.
        options: that chose it.
        stop: ends the work.
        on_time: told how far it has come, in seconds.

    Raises:
        EmostreamError: the media can't be read, or it was asked to stop.
    """
    found: dict[int, BothHeads] = {}
    for each in recognise(str(media), recognizer, options, stop):
        if each.segment is not None:
            found[_place(each.segment.t_end)] = heads_of(each, recognizer)
            on_time(each.segment.t_end)
    session.set_heads([found.get(_place(end), (None, None)) for end in session.ends.tolist()])


def _place(t_end: float) -> int:
    """Where a segment ends, in milliseconds: they are 300 apart."""
    return round(1000.0 * t_end)
