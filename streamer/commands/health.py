"""The command `emostream health`."""

from __future__ import annotations

from typing import Annotated

import typer

from emostream.streamer.commands.options import ClientKey, Endpoint, ServerKey, StreamName
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT

__all__ = ["health"]


def health(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    stream: StreamName = None,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.0, help="Wait so long for all to be well.")] = 5.0,
    server_key: ServerKey = None,
    client_key: ClientKey = None,
) -> None:
    """Say whether an emostream and its sources run: exit code 0 if they do, 1 and why if not."""
    from emostream.streamer.client.health import check_health

    running = check_health(endpoint, stream=stream, timeout=timeout, server_key=server_key, client_key=client_key)
    typer.echo(f"running: {', '.join(running)}")
