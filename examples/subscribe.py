"""A subscriber that prints results and notices what it missed: `python subscribe.py [ENDPOINT [STREAM]]`."""

import sys

from emostream.engines.errors import EmostreamError
from emostream.streamer.client.subscriber import Gap, SessionStarted, Subscriber
from emostream.streamer.protocol.events import EmotionEvent, UtteranceEvent


def main(endpoint: str = "tcp://127.0.0.1:5557", stream: str | None = None) -> None:
    """Print the results of a stream, or of all."""
    with Subscriber(endpoint, stream=stream, notices=True) as events:
        for event in events:
            if isinstance(event, EmotionEvent):
                print(event.stream, event.media_time, event.label, event.scores, flush=True)
            elif isinstance(event, UtteranceEvent):
                print(event.stream, "utterance", event.id, event.label, event.scores, flush=True)
            elif isinstance(event, SessionStarted):
                print(event.stream, "started anew", flush=True)
            elif isinstance(event, Gap):
                print(event.stream, "missed", event.count, "events", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except (EmostreamError, KeyboardInterrupt) as error:
        sys.exit(str(error))
