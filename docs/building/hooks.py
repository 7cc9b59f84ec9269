"""What MkDocs calls while it builds the documentation: the pages and figures that are made from the code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the checkout that the documentation is of

import commands  # noqa: E402
import figures  # noqa: E402
import readme  # noqa: E402
import schema  # noqa: E402

_PAGES = commands.pages()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the pages of the commands where the navigation has a place for them."""
    _fill(config.nav or [], [{name: path} for path, name, _ in _PAGES])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made."""
    for path, _, text in _PAGES:
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, "schema.md", content=schema.page()))
    name = "event.v1.schema.json"
    files.append(
        File.generated(
            config, name, content=(ROOT / "streamer" / "protocol" / "schema" / name).read_text(encoding="utf-8")
        )
    )
    for name, svg in figures.draw_all().items():
        files.append(File.generated(config, f"figures/{name}.svg", content=svg))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put sections of the README where a page asks for them."""
    return readme.insert(markdown, (ROOT / "README.md").read_text(encoding="utf-8"), page.file.src_uri)


def _fill(nav: list[Any], pages: list[dict[str, str]]) -> None:
    for entry in nav:
        for title, place in entry.items() if isinstance(entry, dict) else ():
            if place == "commands/":
                entry[title] = pages
            elif isinstance(place, list):
                _fill(place, pages)
