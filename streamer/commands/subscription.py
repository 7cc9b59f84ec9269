"""The options of the commands that subscribe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ClientKey", "Endpoint", "ServerKey", "StreamName"]

Endpoint = Annotated[str, typer.Argument(help="Where an emostream publishes.")]
StreamName = Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream.")]
ServerKey = Annotated[Path | None, typer.Option(metavar="FILE", help="The emostream's public key, server.key.")]
ClientKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Your secret key, NAME.key_secret.")]
