"""`emostream-train init`: a bundle with random weights."""

from __future__ import annotations

import re
import shlex
from typing import Annotated

import typer

from emostream.trainer.commands import options
from emostream.trainer.commands.common import train_extra
from emostream.trainer.networks.presets import COMPACT, PRESETS

__all__ = ["init"]

_EMOTIONS = "anger,disgust,fear,joy,sadness,surprise"  # the paper's six
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _known_preset(name: str) -> str:
    if name not in PRESETS:
        raise typer.BadParameter(f"{name!r} is no preset; expected {' or '.join(PRESETS)}")
    return name


def _fit_labels(text: str) -> str:
    labels = text.split(",")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise typer.BadParameter(f"{label!r} is no label; expected letters, digits, _ and -")
        if labels.count(label) > 1:
            raise typer.BadParameter(f"{label!r} is there twice; expected different labels")
    if len(labels) < 2:
        raise typer.BadParameter(f"{text!r} is one label; expected at least two, joined by commas")
    return text


def _fit_name(name: str | None) -> str | None:
    if name is not None and not _NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r} is no name; expected up to 64 letters, digits, _, . and -")
    return name


def init(
    out: options.BundleFolder,
    preset: Annotated[
        str,
        typer.Option(callback=_known_preset, metavar="|".join(PRESETS), help="Size of the networks."),
    ] = COMPACT.name,
    labels: Annotated[
        str, typer.Option(callback=_fit_labels, metavar="A,B,...", help="The classes, in order.")
    ] = _EMOTIONS,
    name: Annotated[
        str | None, typer.Option(callback=_fit_name, help="Name of the bundle; untrained-PRESET if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=options.MAX_SEED, help="Equal seeds give equal bundles.")] = 0,
) -> None:
    """Write a bundle with random weights, to try the stream at full size and speed before training."""
    with train_extra():
        from emostream.trainer.untrained import write_untrained

        bundle = write_untrained(out, PRESETS[preset], tuple(labels.split(",")), name or f"untrained-{preset}", seed)
    size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    typer.echo(bundle)
    typer.echo(f"Written to {out} ({size:.1f} MB). The weights are random: the scores mean nothing.")
    typer.echo(f"Next: emostream --bundle {shlex.quote(str(out))}")
