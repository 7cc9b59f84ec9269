"""The commands that subscribe: `emostream listen` and `emostream health`."""

from __future__ import annotations

from typing import Annotated

import typer

from engines.errors import EmostreamError
from streamer.events import DEFAULT_ENDPOINT

__all__ = ["health", "listen"]

_Endpoint = Annotated[str, typer.Argument(help="Where an emostream publishes.")]
_Stream = Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream.")]


def listen(
    endpoint: _Endpoint = DEFAULT_ENDPOINT,
    stream: _Stream = None,
    json: Annotated[bool, typer.Option("--json", help="Print the JSON as received.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Give up after so many seconds without a message.")
    ] = None,
    count: Annotated[int | None, typer.Option(metavar="N", min=1, help="End after so many events.")] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="End when the session ends.")] = False,
) -> None:
    """Print the events that an emostream publishes."""
    from streamer.listen import listen as listen_to

    try:
        listen_to(endpoint, stream=stream, json_lines=json, timeout=timeout, count=count, until_end=until_end)
    except TimeoutError as error:
        raise EmostreamError(str(error)) from None


def health(
    endpoint: _Endpoint = DEFAULT_ENDPOINT,
    stream: _Stream = None,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.0, help="Wait so long for all to be well.")] = 5.0,
) -> None:
    """Say whether an emostream and its sources run: exit code 0 if they do, 1 and why if not."""
    from streamer.health import check_health

    typer.echo(f"running: {', '.join(check_health(endpoint, stream=stream, timeout=timeout))}")
