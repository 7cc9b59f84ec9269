"""The robot acts once on every mood that lasts."""

from __future__ import annotations

import sys
from itertools import groupby

from emostream.streamer.protocol.events import EmotionEvent
from tests.examples.broadcast import EXAMPLES, Broadcast, Result, contiguous, running

GESTURES = {"joy": "wave", "sadness": "lean closer", "anger": "step back", "fear": "step back", "surprise": "look up"}


def gestures(events: list[Result]) -> list[str]:
    """What it has to do, by another way of counting."""
    labels = [event.label for event in events if isinstance(event, EmotionEvent)]
    runs = ((label, len(list(run))) for label, run in groupby(labels))
    return [GESTURES[label] for label, length in runs if length >= 4 and label in GESTURES]


def test_it_acts_on_moods_that_last(events: list[Result]):
    assert len(set(gestures(events))) >= 2
    with Broadcast(events) as broadcast, running(sys.executable, EXAMPLES / "robot.py", broadcast.endpoint) as program:
        program.wait_for(lambda: len(program.lines) >= 12)
        done = program.lines[1:12]  # it may have come in the middle of the first mood
    assert program.errors == []
    assert contiguous(done, gestures(broadcast.sent))
