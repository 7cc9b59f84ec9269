"""The command `emostream health`: whether an emostream runs and its sources do, for whoever supervises it."""

from __future__ import annotations

import time
from pathlib import Path

from emostream.engines.errors import EmostreamError
from emostream.streamer.client.connect import silence
from emostream.streamer.client.subscriber import Subscriber
from emostream.streamer.protocol.events import StatusEvent

__all__ = ["check_health"]

_EVERY_STREAM_S = 1.5  # each tells of itself once a second
_MODALITIES = {"audio": "microphone", "video": "camera"}


def check_health(
    endpoint: str,
    *,
    stream: str | None,
    timeout: float,
    server_key: Path | None = None,
    client_key: Path | None = None,
) -> list[str]:
    """Wait until a status says that all is well.

    Args:
        endpoint: where an emostream publishes.
        stream: the stream to ask about; None asks about all.
        timeout: how long that may take, in seconds.
        server_key: the publisher's public key, where it encrypts.
        client_key: the secret key of one who is let in.

    Returns:
        The streams that run.

    Raises:
        EmostreamError: something does not run, or nothing is heard.
        ConfigError: the endpoint or the stream's name is not valid.
    """
    begun = time.monotonic()
    told_by = begun + timeout
    ills: dict[str, str | None] = {}  # by stream, as it said last
    with Subscriber(endpoint, stream=stream, status=True, server_key=server_key, client_key=client_key) as events:
        while (left := told_by - time.monotonic()) > 0:
            try:
                event = events.receive(left)
            except TimeoutError:
                break
            if not isinstance(event, StatusEvent):
                continue
            if not ills and stream is None:
                begun = time.monotonic()
            ills[event.stream] = _ill(event)
            heard_all = stream is not None or time.monotonic() - begun >= _EVERY_STREAM_S
            if heard_all and not any(ills.values()):
                break
    if not ills:
        raise EmostreamError(silence("no status", endpoint, stream, timeout, client_key))
    if any(ills.values()):
        raise EmostreamError("; ".join(f"stream {name} {ill}" for name, ill in sorted(ills.items()) if ill))
    return sorted(ills)


def _ill(status: StatusEvent) -> str | None:
    """What is wrong with a stream; None where nothing is."""
    if status.state != "running":
        return "is still loading" if status.state == "loading" else "has ended"
    states = {name: getattr(status.sources, modality) for modality, name in _MODALITIES.items()}
    # One track of a recording may end before the other.
    ill = [f"its {name} is {state}" for name, state in states.items() if state not in ("running", "off", "ended")]
    if ill:
        return "runs, but " + " and ".join(ill)
    return None if "running" in states.values() else "runs, but none of its sources do"
