"""A page for each command of `emostream` and `emostream-train`, from the commands themselves."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterator
from typing import Any

import typer

from emostream.streamer.cli import app as emostream
from emostream.trainer.cli import app as emostream_train

__all__ = ["pages"]

# Typer's commands are Click's, and some of its releases carry a Click of their own: hence Any.
Command = Any


def pages() -> list[tuple[str, str, str]]:
    """The path, the name and the Markdown of each page."""
    roots = {"emostream": emostream, "emostream-train": emostream_train}
    return [
        (f"commands/{name.replace(' ', '-')}.md", name, _page(name, command))
        for root, app in roots.items()
        for name, command in _walk(root, typer.main.get_command(app))
    ]


def _walk(name: str, command: Command) -> Iterator[tuple[str, Command]]:
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from _walk(f"{name} {part}", inner)


def _page(name: str, command: Command) -> str:
    parts = [f"# {name}", _paragraphs(command.help), _usage(name, command)]
    inner = getattr(command, "commands", {})
    if inner:
        rows = [
            f"| [`{name} {part}`]({f'{name} {part}'.replace(' ', '-')}.md) | {_cell(_first_sentence(each.help))} |"
            for part, each in inner.items()
        ]
        parts += ["## Commands", "\n".join(["| command | |", "|---|---|", *rows])]
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    if arguments:
        parts += ["## Arguments", _table("argument", arguments)]
    for panel, options in _panels(command).items():
        parts += [f"## {panel}", _table("option", options)]
    if command.epilog:
        parts += [command.epilog]
    return "\n\n".join(part for part in parts if part) + "\n"


def _usage(name: str, command: Command) -> str:
    arguments = [_argument(each) for each in command.params if each.param_type_name == "argument"]
    words = [name, "[OPTIONS]", *(["COMMAND ..."] if getattr(command, "commands", None) else []), *arguments]
    return f"    {' '.join(words)}"


def _panels(command: Command) -> dict[str, list[Any]]:
    """Options by the panel that they are in, those of no panel last; `--help` is in all."""
    found: dict[str, list[Any]] = {}
    for option in command.params:
        if option.param_type_name == "option" and option.name != "help" and not option.hidden:
            found.setdefault(getattr(option, "rich_help_panel", None) or "Options", []).append(option)
    return dict(sorted(found.items(), key=lambda item: item[0] == "Options"))


def _table(kind: str, parameters: list[Any]) -> str:
    rows = [f"| {_names(each)} | {_cell(each.help or '')} | {_default(each)} |" for each in parameters]
    return "\n".join([f"| {kind} | what it does | if not given |", "|---|---|---|", *rows])


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _code(_argument(parameter))
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    return _code(", ".join((*parameter.opts, *parameter.secondary_opts)), value)


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    name = f"{name}..." if parameter.nargs == -1 and not name.endswith("...") else name
    return name if parameter.required else f"[{name}]"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "must be given"
    default = parameter.default
    if callable(default) or default is None or default is False or default == "" or not parameter.show_default:
        return ""
    return _code("yes" if default is True else f"{default:g}" if isinstance(default, float) else str(default))


def _code(text: str, more: str = "") -> str:
    """Code in the cell of a table, which an upright bar would end, even in backticks; `more` may be broken at it."""
    whole, broken = (html.escape(part).replace("|", "&#124;") for part in (text, more))
    return f'<code><span class="option">{whole}</span>{broken.replace("&#124;", "&#124;<wbr>")}</code>'


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraphs(text: str | None) -> str:
    """A help text, as Markdown: what looks like code in it already is between backticks."""
    return inspect.cleandoc(text or "").replace("\f", "").replace("\b", "")


def _first_sentence(text: str | None) -> str:
    paragraph = _paragraphs(text).split("\n\n")[0]
    return paragraph.split(". ")[0].rstrip(".") + "."
