"""The command `emostream keys`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.engines.errors import ConfigError

__all__ = ["keys"]


def keys(
    folder: Annotated[Path, typer.Argument(help="The emostream's keys, and those of the clients that it lets in.")],
    client: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a client's keys, and let it in, instead.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the client's secret key goes; here if not given.")
    ] = None,
) -> None:
    """Make the keys with which an emostream serves other machines; nothing is overwritten."""
    from emostream.streamer.protocol.key_files import make_client, make_server

    if client is None:
        if to is not None:
            raise ConfigError("--to is for a client's secret key; name the client with --client")
        make_server(folder)
        typer.echo(f"made {folder}; let a client in with: emostream keys {folder} --client NAME")
        return
    secret = make_client(folder, client, to or Path())
    typer.echo(f"made {secret}; give it to the client, with {folder / 'server.key'}, and start emostream anew")
