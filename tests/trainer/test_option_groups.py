"""A command whose parameters are dataclasses of options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from emostream.trainer.commands.option_groups import After, with_option_groups


@dataclass(frozen=True, kw_only=True)
class Size:
    width: Annotated[int, typer.Option(min=1, help="How wide.")]
    height: Annotated[int, typer.Option(help="How high.")] = 2


_LARGE = Size(width=10, height=20)
app = typer.Typer(add_completion=False)
given: list[tuple[Size, str, int]] = []


@app.command()
@with_option_groups
def plain(*, size: Size, name: Annotated[str, typer.Option(), After("width")] = "none", last: int = 0) -> None:
    """Take a size."""
    given.append((size, name, last))


@app.command()
@with_option_groups
def large(*, size: Size = _LARGE, name: str = "none", last: int = 0) -> None:
    """Take a size that has defaults of its own."""
    given.append((size, name, last))


def test_fields_are_options_where_their_dataclass_stands() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    names = {key: [each.name for each in command.params] for key, command in commands.items()}
    assert names == {"plain": ["width", "name", "height", "last"], "large": ["width", "height", "name", "last"]}
    assert commands["plain"].help == "Take a size."


def test_the_command_gets_the_dataclass() -> None:
    given.clear()
    for words in (["plain", "--width", "5", "--name", "a"], ["large", "--height", "7", "--last", "1"]):
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert given == [(Size(width=5, height=2), "a", 0), (Size(width=10, height=7), "none", 1)]


def test_a_field_without_a_default_is_required_and_checked() -> None:
    assert CliRunner().invoke(app, ["plain"]).exit_code == 2
    assert CliRunner().invoke(app, ["large", "--width", "0"]).exit_code == 2
