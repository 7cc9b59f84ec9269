"""Publishes events into an output as fast as it can, and says the number of each that was written.

`python -m tests.streamer.writing OUTPUT [EVENTS]`; without a count it goes on until it is killed.
"""

from __future__ import annotations

import itertools
import os
import sys

from msgspec.structs import replace

from emostream.streamer.publishing.publisher import Publisher
from tests.streamer.samples import EMOTION

output, *most = sys.argv[1:]
with Publisher(
    "tcp://127.0.0.1:*",
    output=output,
    labels=("anger", "joy"),
    on_event=lambda event: os.write(1, b"%d\n" % event.seq) and None,
) as publisher:
    channel = publisher.channel("desk", session="0" * 32, unix_offset=0.0)
    for number in range(int(most[0])) if most else itertools.count():
        channel.publish(replace(EMOTION, media_time=float(number)))
