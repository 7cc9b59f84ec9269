"""The command `emostream listen`: prints what a stream publishes, one line an event."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TextIO

from emostream.engines.redaction import one_line
from emostream.streamer.client.cursor_file import read_cursors, write_cursors
from emostream.streamer.client.subscriber import Gap, SessionStarted, Subscriber
from emostream.streamer.protocol.events import ResultEvent, StatusEvent, UtteranceEvent

UNTRAINED = "the bundle is untrained: its scores come from random weights and mean nothing"


def listen(
    endpoint: str,
    *,
    stream: str | None = None,
    json_lines: bool = False,
    timeout: float | None = None,
    count: int | None = None,
    until_end: bool = False,
    replay: bool | str = False,
    cursor: Path | None = None,
    server_key: Path | None = None,
    client_key: Path | None = None,
) -> int:
    """Print events until `count` have come, Ctrl-C, or nobody reads the output any more.

    Args:
        endpoint: Where an emostream publishes, as in `tcp://127.0.0.1:5557`.
        stream: The stream to print; None prints all.
        json_lines: Print the JSON as received; gaps and new sessions go to standard error then.
        timeout: How long nothing at all may come, seconds; None waits for ever.
        count: How many emotion and utterance events to print; None prints on.
        until_end: End with the first session that ends.
        replay: Get missed events again, from the endpoint that belongs to `endpoint`, or from the one given.
        cursor: A file that keeps what was printed last; printing goes on behind it. Needs `replay`.
        server_key: The publisher's public key.
        client_key: The secret key of this client.

    Returns:
        0, the exit status.

    Raises:
        ConfigError: The endpoint or the stream's name is not valid, or the cursor or a key can't be read.
        PublishError: The cursor can't be written.
        TimeoutError: Nothing came in time.
        EventError: A message came that is not an event.
    """
    cursors = [] if cursor is None else read_cursors(cursor)
    subscriber = Subscriber(
        endpoint,
        stream=stream,
        status=True,
        timeout=timeout,
        notices=True,
        replay=replay,
        cursor=cursors,
        server_key=server_key,
        client_key=client_key,
    )
    try:
        with subscriber as events:
            _print_events(events, json_lines, count, until_end, cursor)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # What is still buffered would fail again, and with a traceback, when the interpreter flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print_events(
    events: Subscriber, json_lines: bool, count: int | None, until_end: bool, cursor: Path | None
) -> None:
    trained: dict[str, bool] = {}
    warned = False
    printed = 0
    while count is None or printed < count:
        event = events.receive()
        if isinstance(event, (Gap, SessionStarted)):
            if isinstance(event, SessionStarted):
                trained.pop(event.stream, None)
            _say(_notice_line(event), sys.stderr if json_lines else sys.stdout)
        elif isinstance(event, StatusEvent):
            if until_end and event.state == "ended":
                return
            if event.bundle is not None:
                trained[event.stream] = event.bundle.trained
                if not event.bundle.trained and not warned:
                    _say(f"warning: stream {event.stream}: {UNTRAINED}", sys.stderr)
                    warned = True
        else:
            if json_lines:
                _print(events.message.decode(), sys.stdout)
            else:
                _say(event_line(event, trained=trained.get(event.stream, True)), sys.stdout)
            printed += 1
            if cursor is not None:
                write_cursors(cursor, events.cursors.values())


def _say(line: str, file: TextIO) -> None:
    """Print a line for people; what other programs sent must not steer their terminal."""
    _print(one_line(line), file)


def _print(line: str, file: TextIO) -> None:
    print(line, file=file, flush=True)


def event_line(event: ResultEvent, *, trained: bool = True) -> str:
    """Put an event into one line.

    Args:
        event: The event to print.
        trained: Whether its scores mean anything; where not, its label is called a class.
    """
    if event.label is None or event.scores is None:
        result = "nothing"
    else:
        result = f"{event.label} {event.scores.get(event.label, 0.0):.0%} by {event.head}"
        result = result if trained else f"class {result}"
    line = f"{_clock(event.t_end)}  {event.stream}  {result}"
    if isinstance(event, UtteranceEvent):
        span = event.t_end - event.t_start
        return f"{line}  (utterance {event.id}: {span:.1f} s, {event.segments} segments)"
    latency = "" if event.latency_ms is None else f"  {event.latency_ms:.0f} ms"
    return f"{line}  {_modality('audio', event.reason.audio)}, {_modality('video', event.reason.video)}{latency}"


def _modality(name: str, reason: str | None) -> str:
    return name if reason is None else f"no {name} ({reason.replace('_', ' ')})"


def _notice_line(notice: Gap | SessionStarted) -> str:
    if isinstance(notice, SessionStarted):
        return f"-- {notice.stream}: a new session started ({notice.session})"
    return f"-- {notice.stream}: missed {notice.count} events from number {notice.first_missed} on"


def _clock(unix_time: float) -> str:
    """Give the local time of day; a time that no calendar holds is given as the number."""
    try:
        return datetime.fromtimestamp(unix_time).isoformat(sep=" ", timespec="milliseconds")[11:]
    except (OverflowError, OSError, ValueError):
        return f"{unix_time:g}"
