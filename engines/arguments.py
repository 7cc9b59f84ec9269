"""Refuses empty command-line arguments, before any option is read."""

from __future__ import annotations

from emostream.engines.errors import ConfigError

__all__ = ["EmptyArgumentError", "refuse_empty"]


class EmptyArgumentError(ConfigError):
    """An argument says nothing."""


def refuse_empty(arguments: list[str]) -> None:
    """Refuse arguments that say nothing: `--record ""` would be the folder where one happens to be.

    Raises:
        EmptyArgumentError: there is one.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            named = argument.rstrip("=") or (before if before.startswith("-") else "an argument")
            raise EmptyArgumentError(
                f"{named} is empty, as from a variable that is not set; give it a value, or leave it out"
            )
