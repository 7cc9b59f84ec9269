"""The page of the event, from the schema that the code gives."""

from __future__ import annotations

from typing import Any

from emostream.streamer.protocol.events import json_schema

__all__ = ["page"]

_INTRODUCTION = """# The event

A message has two frames, a topic and UTF-8 JSON: `emotion/STREAM/` for events of type `emotion` and `utterance`,
`status/STREAM/` for `status`. What they mean is told under [Subscribe](subscribe.md#the-event).

This page is made from the [JSON Schema](event.v1.schema.json), version 1. {description} The version rises only when an
old subscriber would misread a message.
"""


def page() -> str:
    """The page's Markdown."""
    schema = json_schema()
    parts = schema["$defs"]
    messages = [ref["$ref"].rsplit("/", 1)[1] for ref in schema["oneOf"]]
    order = [*messages, *(name for name in parts if name not in messages)]
    description = schema["description"].split(". ", 1)[1]
    return (
        "\n\n".join([_INTRODUCTION.format(description=description), *(_section(parts, name) for name in order)]) + "\n"
    )


def _section(parts: dict[str, Any], name: str) -> str:
    part = parts[name]
    required = part.get("required", [])
    rows = [
        f"| `{field}` | {_type(value)} | {'always' if field in required else 'may be absent'} | {_told(value)} |"
        for field, value in part["properties"].items()
    ]
    return "\n".join(
        [f"## {name}", "", part.get("description", ""), "", "| field | type | there | |", "|---|---|---|---|", *rows]
    )


def _type(value: dict[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(each) for each in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{_json(each)}`" for each in value["enum"])
    if "const" in value:
        return f"`{_json(value['const'])}`"
    kind = value.get("type", "anything")
    if kind == "array":
        items = value.get("prefixItems")
        return f"array of {len(items)} {_type(items[0])}s" if items else f"array of {_type(value['items'])}"
    if kind == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"object of {_type(value['additionalProperties'])}s"
    limits = [f"{word} {value[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in value]
    return " ".join([kind, *limits])


def _json(value: object) -> str:
    return "null" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


def _told(value: dict[str, Any]) -> str:
    described = [each["description"] for each in (value, *value.get("anyOf", ())) if "description" in each]
    return "; ".join(described).replace("|", "\\|")
