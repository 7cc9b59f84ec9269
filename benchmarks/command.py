"""How every benchmark is run as a command, and how its report shows that."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emostream.engines.errors import EmostreamError

if TYPE_CHECKING:
    import typer

__all__ = ["run_command", "shown_command"]


def run_command(app: typer.Typer, name: str) -> None:
    """Run `python -m benchmarks.NAME`; a failure prints one line, with exit code 1."""
    try:
        app(prog_name=f"python -m benchmarks.{name}")
    except EmostreamError as error:
        sys.exit(f"benchmarks.{name}: error: {error}")


def shown_command(name: str, options: Sequence[str]) -> str:
    """The command as a report shows it; `options` are to name no folder of this machine."""
    return shlex.join(["python", "-m", f"benchmarks.{name}", *options])
