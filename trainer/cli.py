"""The `emostream-train` command. It loads torch only inside the commands that need it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import typer

from emostream.engines.arguments import EmptyArgumentError, refuse_empty
from emostream.engines.errors import EmostreamError
from emostream.trainer.commands.actors import act, actors
from emostream.trainer.commands.evaluate import evaluate
from emostream.trainer.commands.finder import finder
from emostream.trainer.commands.fit import fit
from emostream.trainer.commands.init import init
from emostream.trainer.commands.prepare import prepare
from emostream.trainer.commands.reproduce import reproduce
from emostream.trainer.commands.starter import starter
from emostream.trainer.logs import log_to_stderr

__all__ = ["app", "main"]

# Typer names only a subclass in public, and some of its releases carry a click of their own.
_UsageError: Any = typer.BadParameter.__bases__[0]

_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM

app = typer.Typer(name="emostream-train", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (prepare, reproduce, fit, evaluate, starter, finder, init, act, actors):
    app.command()(command)


@app.callback()
def _commands() -> None:
    """Train bundles for emostream, measure them, and reproduce the paper."""


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1, or 2 for a wrong option, or 128 + the signal."""
    log_to_stderr()
    with _sigterm_as_ctrl_c() as came:
        try:
            refuse_empty(sys.argv[1:])
            code = app(prog_name="emostream-train", standalone_mode=False)
        except _UsageError as error:
            _fail(error.format_message(), 2)
        except EmptyArgumentError as error:
            _fail(str(error), 2)
        except EmostreamError as error:
            _fail(str(error), 1)
        except (typer.Abort, KeyboardInterrupt):
            code = _INTERRUPTED
    if code == _INTERRUPTED:  # typer's own answer to Ctrl-C is silent
        _fail("interrupted; the same command goes on behind what was finished", _TERMINATED if came else _INTERRUPTED)
    sys.exit(code)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[list[int]]:
    """Let SIGTERM end the work as Ctrl-C does, with its workers, and note it in what is given."""
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str, code: int) -> NoReturn:
    if message:
        typer.echo(f"emostream-train: error: {message}", err=True)
    sys.exit(code)
