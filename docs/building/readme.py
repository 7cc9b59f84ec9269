"""Sections of the README in the documentation, so that nothing is said twice in different words."""

from __future__ import annotations

import re

from mkdocs.exceptions import PluginError

__all__ = ["insert"]

_MARKER = re.compile(r"^<!-- README: (?P<title>.+?) -->$", re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")

# Where the README's own links lead, here.
_SECTIONS = {
    "#the-starter": "limits.md#the-starter",
    "#who-may-listen": "subscribe.md#who-may-listen",
    "#examples": "examples.md",
}
_FILES = {
    "streamer/protocol/schema/event.v1.schema.json": "schema.md",
    "examples/subscribe_bare.py": "examples.md#python",
    "examples/emostream.service": "days.md",
    "examples/fleet.toml": "first-run.md#more-than-one-camera",
}


def insert(markdown: str, readme: str, page: str) -> str:
    """Replace each `<!-- README: TITLE -->` by the text below that heading of the README.

    Args:
        markdown: of the page.
        readme: the README's Markdown.
        page: the page's path, for errors.

    Raises:
        PluginError: the README has no such section, or one of its links leads nowhere in the documentation.
    """

    def section(marker: re.Match[str]) -> str:
        title = marker["title"]
        found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
        if found is None:
            raise PluginError(f"{page}: README.md has no section {title!r}")
        return _LINK.sub(_link, found[1].strip("\n"))  # a section may begin with code, which is indented

    return _MARKER.sub(section, markdown)


def _link(link: re.Match[str]) -> str:
    """A link of the README; to a file of the repository, which the documentation has none of, its name."""
    text, target = link["text"], link["target"]
    if re.match(r"https?://", target):
        return link[0]
    if target.startswith("#"):
        if target not in _SECTIONS:
            raise PluginError(
                f"README.md's link to {target} has no place in the documentation; docs/building/readme.py"
            )
        return f"[{text}]({_SECTIONS[target]})"
    if target.startswith("docs/"):
        return f"[{text}]({target.removeprefix('docs/')})"
    if target in _FILES:
        return f"[{text}]({_FILES[target]})"
    return f"`{target}`" if text == target else f"{text} (`{target}`)"
