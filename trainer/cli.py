"""The `emostream-train` command. It loads torch only inside the commands that need it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from engines.errors import ConfigError, EmostreamError
from trainer.networks.presets import COMPACT, PRESETS

__all__ = ["app", "main", "train_extra"]

_EXTRA = {"lightning", "matplotlib", "onnx", "onnxscript", "sklearn", "torch"}
_EMOTIONS = "anger,disgust,fear,joy,sadness,surprise"  # the paper's six
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_SEED = 2**32 - 1

# Typer names only a subclass in public, and some of its releases carry a click of their own.
_UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(name="emostream-train", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _commands() -> None:
    """Make bundles and clips for emostream."""


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1, or 2 for a wrong option."""
    try:
        code = app(prog_name="emostream-train", standalone_mode=False)
    except _UsageError as error:
        _fail(error.format_message(), 2)
    except EmostreamError as error:
        _fail(str(error), 1)
    except typer.Abort:
        _fail("interrupted", 130)
    sys.exit(code)


@contextmanager
def train_extra() -> Iterator[None]:
    """Turn a missing package of the `train` extra into an error that says how to install it.

    Raises:
        ConfigError: a package of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        raise ConfigError(
            f'training needs the package {missing}, which is not installed; pip install "emostream[train]"'
        ) from None


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


@app.command()
def init(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; must not exist, or be empty.")],
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
    seed: Annotated[int, typer.Option(min=0, max=_MAX_SEED, help="Equal seeds give equal bundles.")] = 0,
) -> None:
    """Write a bundle with random weights, to try the stream at full size and speed before training."""
    with train_extra():
        from trainer.untrained import write_untrained

        bundle = write_untrained(out, PRESETS[preset], tuple(labels.split(",")), name or f"untrained-{preset}", seed)
    size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    typer.echo(bundle)
    typer.echo(f"Written to {out} ({size:.1f} MB). The weights are random: the scores mean nothing.")
    typer.echo(f"Next: emostream --bundle {shlex.quote(str(out))}")


@app.command()
def act(
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4", help="File to write; replaced if it exists.")],
    actor: Annotated[int, typer.Option(min=0, help="Which invented person plays.")] = 1,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="How often the script of 11.8 s is played.")] = 1,
) -> None:
    """Draw and voice a short clip of an invented person, to try the stream without a camera."""
    from trainer.actors.clip import DEMO_SCRIPT, write_clip

    if out.suffix != ".mp4":
        raise ConfigError(f"{out} does not end in .mp4, the one kind of file that is written; name it OUT.mp4")
    beside = out.with_name(f".{out.name}.part.mp4")
    try:
        write_clip(beside, actor=actor, script=DEMO_SCRIPT * repeat)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    typer.echo(f"Written to {out}.")


def _fail(message: str, code: int) -> NoReturn:
    if message:
        typer.echo(f"emostream-train: error: {message}", err=True)
    sys.exit(code)
