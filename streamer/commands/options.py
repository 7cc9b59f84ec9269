"""Options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from emostream.streamer.options import Setting, settings_of

__all__ = ["ClientKey", "Endpoint", "Force", "ServerKey", "StreamName", "with_settings"]

Function = TypeVar("Function", bound=Callable[..., Any])

Endpoint = Annotated[str, typer.Argument(help="Where an emostream publishes.")]
StreamName = Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream.")]
ServerKey = Annotated[Path | None, typer.Option(metavar="FILE", help="The emostream's public key, server.key.")]
ClientKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Your secret key, NAME.key_secret.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]


def with_settings(*kinds: type, panels: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Give a command an option for each setting of some dataclasses, in place of its `**values`.

    Args:
        kinds: the dataclasses; `from_settings` makes them of the values.
        panels: headings of the help in their order; without, the options stand under none.
    """
    settings = [setting for kind in kinds for setting in settings_of(kind)]
    if panels:
        settings.sort(key=lambda setting: panels.index(setting.option.panel))

    def change(function: Function) -> Function:
        signature = inspect.signature(function, eval_str=True)
        own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        required = [each for each in own if each.default is inspect.Parameter.empty]
        others = [each for each in own if each.default is not inspect.Parameter.empty]
        options = [_parameter(setting, in_panel=bool(panels)) for setting in settings]
        parameters = [*required, *options, *others] if panels else [*required, *others, *options]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        function.__annotations__ = {each.name: each.annotation for each in parameters}
        return function

    return change


def _parameter(setting: Setting, *, in_panel: bool) -> inspect.Parameter:
    option = setting.option
    names = [f"--{setting.name}", *([option.short] if option.short else [])]
    described = typer.Option(
        *names,
        metavar=option.metavar or None,
        help=option.help,
        rich_help_panel=option.panel if in_panel else None,
        show_default=option.show_default,
    )
    return inspect.Parameter(
        setting.parameter,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=setting.default,
        annotation=Annotated[setting.type, described],
    )
