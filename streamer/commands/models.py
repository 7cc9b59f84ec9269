"""The command `emostream models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emostream.engines.errors import ConfigError

__all__ = ["app"]

app = typer.Typer(help="Models of others that emostream can use: list them, and get one.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the models: what each is, its licence, where it comes from, and where it is stored."""
    from emostream.engines.external_models import MODELS

    for model in MODELS.values():
        stored = model.stored()
        typer.echo(f"{model.name}: {model.about}; licence {model.licence}")
        typer.echo(f"  from {model.url}")
        typer.echo(f"  {f'stored in {stored}' if stored else 'not stored'}")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which model; `emostream models list` names them.")],
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take this copy, and nothing from the network.")
    ] = None,
) -> None:
    """Get a model from its makers, or from a file, and check its SHA-256. Nothing is ever fetched unasked."""
    from emostream.engines.external_models import MODELS
    from emostream.streamer.external_models import get_model

    if name not in MODELS:
        raise ConfigError(f"there is no model {name!r}; expected {' or '.join(MODELS)}")
    model = MODELS[name]
    if file is None:
        typer.echo(f"getting {model.name} ({model.size / 1e3:.0f} kB, {model.licence}) from {model.url}")
    typer.echo(f"stored in {get_model(model, file)}")
