"""Options stated once: a field of a configuration's dataclass is an option of the command line and of the TOML file.

    fast: Annotated[bool, Option("Play files as quickly as possible.", panel="Sources")] = False

Its name, type and default are the field's; `Option` holds what users read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

__all__ = ["Option", "Setting", "from_settings", "settings_of"]

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Option:
    """What users read of an option.

    Attributes:
        help: one or two sentences.
        metavar: what stands for its value in the help; empty for a flag.
        panel: the heading of the help that it stands under.
        name: on the command line, where the field's own name would not do.
        short: one letter, such as `-v`; empty for none.
        numeric: a file may give a number where the command line takes text, as in `camera = 0`.
        show_default: whether the help states the default.
    """

    help: str
    metavar: str = ""
    panel: str = ""
    name: str = ""
    short: str = ""
    numeric: bool = False
    show_default: bool = True


@dataclass(frozen=True)
class Setting:
    """An option with the field that it comes from.

    Attributes:
        name: on the command line and in a file, as in `av-offset-ms`.
        field: name of the dataclass's field.
        type: of the field, without `Annotated`.
        default: of the field.
        option: what users read.
    """

    name: str
    field: str
    type: Any
    default: Any
    option: Option

    @property
    def parameter(self) -> str:
        """Its name as a parameter of a Python function."""
        return self.name.replace("-", "_")

    @property
    def toml_types(self) -> tuple[type, ...]:
        """The types that its value may have in a TOML file."""
        plain = next((each for each in get_args(self.type) if each is not type(None)), self.type)
        if plain is float:
            return (int, float)
        if plain is bool:
            return (bool,)
        assert plain in (str, Path), plain
        return (int, str) if self.option.numeric else (str,)


def settings_of(kind: type) -> list[Setting]:
    """The settings of a dataclass, in the order of its fields; fields without an `Option` are none."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        option = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Option)), None)
        if option is not None:
            name = option.name or field.name.removesuffix("_s").replace("_", "-")
            found.append(Setting(name, field.name, hint.__origin__, field.default, option))
    return found


def from_settings(kind: type[Kind], values: Mapping[str, Any], **others: Any) -> Kind:
    """Make a dataclass from the values of its settings.

    Args:
        kind: the dataclass.
        values: by the settings' parameter names; those of other dataclasses may be among them.
        others: fields that are no settings.
    """
    found = {each.field: values[each.parameter] for each in settings_of(kind) if each.parameter in values}
    return kind(**found, **others)
