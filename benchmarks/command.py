"""How every benchmark is run as a command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emostream.engines.errors import EmostreamError

if TYPE_CHECKING:
    import typer

__all__ = ["run_command"]


def run_command(app: typer.Typer, name: str) -> None:
    """Run `python -m benchmarks.NAME`; a failure prints one line, with exit code 1."""
    try:
        app(prog_name=f"python -m benchmarks.{name}")
    except EmostreamError as error:
        sys.exit(f"benchmarks.{name}: error: {error}")
