"""The command `emostream listen`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.engines.errors import ConfigError, EmostreamError
from emostream.streamer.commands.options import ClientKey, Endpoint, ServerKey, StreamName
from emostream.streamer.protocol.events import DEFAULT_ENDPOINT

__all__ = ["listen"]


def listen(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    stream: StreamName = None,
    json: Annotated[bool, typer.Option("--json", help="Print the JSON as received.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Give up after so many seconds without a message.")
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after so many events.")] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="End when the session ends.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Get missed events again.")] = False,
    replay_from: Annotated[
        str | None,
        typer.Option(metavar="tcp://...", help="Where from, if the emostream was given a --replay of its own."),
    ] = None,
    cursor: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on behind what was printed last; needs --replay.")
    ] = None,
    server_key: ServerKey = None,
    client_key: ClientKey = None,
) -> None:
    """Print the events that an emostream publishes."""
    from emostream.streamer.client.print_events import listen as listen_to

    if cursor is not None and not (replay or replay_from):
        raise ConfigError("--cursor gets events again that came meanwhile; give --replay too")
    try:
        listen_to(
            endpoint,
            stream=stream,
            json_lines=json,
            timeout=timeout,
            count=count,
            until_end=until_end,
            replay=replay_from or replay,
            cursor=cursor,
            server_key=server_key,
            client_key=client_key,
        )
    except TimeoutError as error:
        raise EmostreamError(str(error)) from None
