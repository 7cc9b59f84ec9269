"""A lamp that takes on what is seen and heard: `python lamp.py [--wled http://LAMP | --serial /dev/ttyUSB0]`.

Each emotion has a colour, and the lamp shows them mixed by their scores; without face and voice it is dim. `--wled`
sends the colour to a lamp that runs WLED, `--serial` sends it as a line `#rrggbb` to a microcontroller (`pip install
pyserial`); without either it is printed. For anything else, write a function that takes a colour, for `follow`.
"""

import argparse
import json
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException

from emostream.engines.errors import EmostreamError
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT, EmotionEvent

Colour = tuple[int, int, int]  # red, green, blue, 0 to 255

COLOURS: dict[str, Colour] = {
    "anger": (255, 20, 0),
    "disgust": (80, 160, 0),
    "fear": (130, 0, 255),
    "joy": (255, 190, 0),
    "sadness": (0, 60, 255),
    "surprise": (255, 0, 160),
}
CALM: Colour = (255, 220, 180)  # neutral, and labels that have no colour
DIM: Colour = (20, 17, 14)


def colour_of(event: EmotionEvent) -> Colour:
    """The colours of all labels, mixed by their scores."""
    if event.scores is None:
        return DIM
    shares = [(COLOURS.get(label, CALM), score) for label, score in event.scores.items()]
    total = sum(score for _, score in shares) or 1.0
    red, green, blue = (round(sum(c[n] * score for c, score in shares) / total) for n in range(3))
    return red, green, blue


def follow(show: Callable[[Colour], None], endpoint: str, stream: str | None) -> None:
    """Show each new colour; a lamp that doesn't answer is told, and tried again with the next one."""
    shown = None
    with Subscriber(endpoint, stream=stream) as events:
        for event in events:
            if isinstance(event, EmotionEvent) and (colour := colour_of(event)) != shown:
                try:
                    show(colour)
                    shown = colour
                except (OSError, HTTPException) as error:  # no answer, or none of a lamp
                    print("the lamp can't be reached:", error, flush=True)


def to_wled(address: str) -> Callable[[Colour], None]:
    """A lamp that runs WLED (its JSON API)."""
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address} is no address of a lamp, such as http://192.168.1.50")

    def show(colour: Colour) -> None:
        # Fade for 0.3 s, until the next segment comes; effect 0 is a plain colour.
        state = {"on": True, "tt": 3, "seg": [{"fx": 0, "col": [colour]}]}
        body = json.dumps(state).encode()
        request = urllib.request.Request(f"{address}/json/state", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=0.5).close()

    return show


def to_serial(port: str) -> Callable[[Colour], None]:
    """A microcontroller that reads lines, at 115,200 baud."""
    import serial

    line = serial.Serial(port, 115_200, write_timeout=0.5)

    def show(colour: Colour) -> None:
        line.write(b"#%02x%02x%02x\n" % colour)

    return show


def to_terminal(colour: Colour) -> None:
    """No lamp: the colour as text."""
    print("#{:02x}{:02x}{:02x}".format(*colour), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show emotions as colours of a lamp.")
    parser.add_argument("endpoint", nargs="?", default=DEFAULT_ENDPOINT)
    parser.add_argument("--stream", help="only this stream")
    lamps = parser.add_mutually_exclusive_group()
    lamps.add_argument("--wled", metavar="URL", help="a lamp that runs WLED, as in http://192.168.1.50")
    lamps.add_argument("--serial", metavar="PORT", help="a serial port, as in /dev/ttyUSB0 or COM3")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        try:
            show: Callable[[Colour], None] = to_terminal
            if options.wled:
                show = to_wled(options.wled)
            elif options.serial:
                show = to_serial(options.serial)
            follow(show, options.endpoint, options.stream)
        except (OSError, ValueError, EmostreamError) as error:  # no such port, no URL, or no endpoint
            sys.exit(f"lamp.py: {error}")
