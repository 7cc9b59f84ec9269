"""A robot that reacts to moods that last: `python robot.py [ENDPOINT]`; put its gestures into `act`."""

import sys

from emostream.engines.errors import EmostreamError
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import EmotionEvent

GESTURES = {"joy": "wave", "sadness": "lean closer", "anger": "step back", "fear": "step back", "surprise": "look up"}
SEGMENTS = 4  # a mood has to last: 1.2 s


def act(gesture: str) -> None:
    """Do it."""
    print(gesture, flush=True)


mood, lasted = None, 0
try:
    with Subscriber(*sys.argv[1:2]) as events:
        for event in events:
            if isinstance(event, EmotionEvent):
                lasted = lasted + 1 if event.label == mood else 1
                mood = event.label
                if lasted == SEGMENTS and mood in GESTURES:
                    act(GESTURES[mood])
except (EmostreamError, KeyboardInterrupt) as error:
    sys.exit(str(error))
