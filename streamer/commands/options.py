"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BundlePath",
    "ClientKey",
    "Endpoint",
    "EngineName",
    "FaceModel",
    "Force",
    "PrecisionName",
    "ServerKey",
    "StreamName",
]

Endpoint = Annotated[str, typer.Argument(help="Where an emostream publishes.")]
StreamName = Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream.")]
ServerKey = Annotated[Path | None, typer.Option(metavar="FILE", help="The emostream's public key, server.key.")]
ClientKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Your secret key, NAME.key_secret.")]

BundlePath = Annotated[
    Path, typer.Option(metavar="PATH", help="A bundle; the starter if not given.", show_default=False)
]
EngineName = Annotated[str, typer.Option(metavar="auto|openvino|onnxruntime|tensorrt", help="What runs the networks.")]
PrecisionName = Annotated[str, typer.Option(metavar="auto|fp32|bf16|fp16|int8", help="Arithmetic of the networks.")]
FaceModel = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Find faces with this YuNet model instead of Viola-Jones.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]
