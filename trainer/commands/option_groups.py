"""A decorator that turns a command's dataclass parameters into options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, TypeGuard, get_type_hints

__all__ = ["After", "with_option_groups"]


@dataclass(frozen=True)
class After:
    """Part of a parameter's annotation: the help lists it behind the one of this name, such as a field of a group."""

    name: str


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let users give the fields of a command's dataclasses as options.

    The help lists the fields where the dataclass stands among the parameters.

    Args:
        command: a function whose parameters are options, arguments, and dataclasses whose fields are annotated like
            those. A default value of such a parameter gives the defaults of its fields.
    """
    own = signature(command, eval_str=True).parameters.values()
    groups: dict[str, type[Any]] = {each.name: each.annotation for each in own if _is_group(each.annotation)}

    @wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)}) for name, group in groups.items()
        }
        command(**made, **given)

    shown = _ordered(part for each in own for part in (_options(each) if each.name in groups else (each,)))
    run.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in shown}
    return run


def _is_group(annotation: Any) -> TypeGuard[type[Any]]:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _options(group: Parameter) -> Iterator[Parameter]:
    """The fields of a dataclass as parameters."""
    annotations = get_type_hints(group.annotation, include_extras=True)
    for each in fields(group.annotation):
        default = each.default if group.default is Parameter.empty else getattr(group.default, each.name)
        yield Parameter(
            each.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if default is MISSING else default,
            annotation=annotations[each.name],
        )


def _ordered(parameters: Iterable[Parameter]) -> list[Parameter]:
    """The parameters, each that is marked with `After` moved up."""
    ordered: list[Parameter] = []
    for parameter in parameters:
        place = len(ordered)
        for mark in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(mark, After):
                place = [each.name for each in ordered].index(mark.name) + 1
        ordered.insert(place, parameter.replace(kind=Parameter.KEYWORD_ONLY))
    return ordered
