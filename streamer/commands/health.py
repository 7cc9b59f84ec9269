"""The command `emostream health`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.events import DEFAULT_ENDPOINT

__all__ = ["health"]


def health(
    endpoint: Annotated[str, typer.Argument(help="Where an emostream publishes.")] = DEFAULT_ENDPOINT,
    stream: Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream.")] = None,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.0, help="Wait so long for all to be well.")] = 5.0,
    server_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The emostream's public key, server.key.")
    ] = None,
    client_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Your secret key, NAME.key_secret.")] = None,
) -> None:
    """Say whether an emostream and its sources run: exit code 0 if they do, 1 and why if not."""
    from streamer.commands.checking import check_health

    running = check_health(endpoint, stream=stream, timeout=timeout, server_key=server_key, client_key=client_key)
    typer.echo(f"running: {', '.join(running)}")
