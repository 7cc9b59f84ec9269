"""What is looked for in the built documentation: its links, what they lead to, and what a page loads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Page", "read_site"]

_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src",
          "embed": "src", "object": "data", "form": "action"}  # fmt: skip
_LINK_LOADS = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "modulepreload", "manifest"}


@dataclass
class Page:
    """A page.

    Attributes:
        path: of its file, below the site's folder.
        ids: that a link may lead to.
        links: where its links lead, as they are written.
        loads: what a browser asks for by itself.
        inline: text of its scripts and styles.
        text: all that is read.
        code: what of it is in blocks of code.
    """

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)
    text: str = ""
    code: str = ""


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._inside = ""
        self._in_block = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self._inside = tag if tag in ("script", "style") else ""
        self._in_block |= tag == "pre"
        self.page.ids |= {given[name] for name in ("id", "name") if name in given and tag != "meta"}
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag == "link" and "href" in given:
            loaded = _LINK_LOADS & set(given.get("rel", "").split())
            (self.page.loads if loaded else self.page.links).append(given["href"])
        if _LOADS.get(tag) in given:
            self.page.loads.append(given[_LOADS[tag]])
        self.page.loads += [part.split()[0] for part in given.get("srcset", "").split(",") if part.strip()]
        self.page.inline += [given["style"]] if "style" in given else []

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        self._in_block &= tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.page.inline.append(data)
        else:
            self.page.text += data
            self.page.code += data if self._in_block else ""


def read_site(folder: Path) -> dict[Path, Page]:
    """All pages of a built site, by path below its folder."""
    found = {}
    for file in sorted(folder.rglob("*.html")):
        page = Page(file.relative_to(folder))
        reader = _Reader(page)
        reader.feed(file.read_text(encoding="utf-8"))
        reader.close()
        found[page.path] = page
    return found


def is_elsewhere(link: str) -> bool:
    """Whether a link leads to another host."""
    return bool(urlsplit(link).netloc) or link.startswith("//")


def dead_links(folder: Path, pages: dict[Path, Page]) -> list[str]:
    """Links and loads within the site that lead nowhere, each with its page."""
    dead = []
    for page in pages.values():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or is_elsewhere(link):
                continue
            target = page.path if not parts.path else Path(_within(page.path, unquote(parts.path)))
            file = folder / target
            if file.is_dir():
                target, file = target / "index.html", file / "index.html"
            anchored = target in pages and parts.fragment
            if not file.is_file() or (anchored and unquote(parts.fragment) not in pages[target].ids):
                dead.append(f"{page.path}: {link}")
    return dead


def _within(page: Path, link: str) -> str:
    """The path that a link names, below the site's folder; one that leaves it is no path of it."""
    absolute = link.startswith("/")
    if absolute and page.name != "404.html":  # which is shown at whatever depth
        return "-absolute-" + link
    parts: list[str] = [] if absolute else list(page.parent.parts)
    for part in link.split("/"):
        if part == "..":
            if not parts:
                return "-outside-"
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or "."


def urls_in_styles(text: str) -> list[str]:
    """What a style sheet loads."""
    return re.findall(r"url\(\s*[\"']?([^\"')]+)", text) + re.findall(r"@import\s+[\"']([^\"']+)", text)
