"""The documentation builds without a warning, its links lead somewhere, and it asks no other host for anything."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer

from emostream.streamer.cli import app as emostream
from emostream.streamer.protocol.events import json_schema
from emostream.trainer.cli import app as emostream_train
from tests.docs.site import Page, dead_links, is_elsewhere, read_site, urls_in_styles

ROOT = Path(__file__).parents[2]
HOST = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return read_site(site)


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Page]):
    assert len(pages) > 30
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert dead_links(site, pages) == []


def test_links_to_other_hosts_are_well_formed(pages: dict[Path, Page]):
    outside = {link for page in pages.values() for link in page.links if is_elsewhere(link)}
    assert [link for link in outside if urlsplit(link).scheme != "https"] == []
    assert [link for link in outside if not HOST.fullmatch(urlsplit(link).netloc)] == []


def test_nothing_is_asked_of_another_host(site: Path, pages: dict[Path, Page]):
    for page in pages.values():
        assert [load for load in page.loads if is_elsewhere(load)] == [], page.path
        loaded = [url for text in page.inline for url in urls_in_styles(text)]
        assert [url for url in loaded if is_elsewhere(url)] == [], page.path
    for style in site.rglob("*.css"):
        assert [url for url in urls_in_styles(style.read_text()) if is_elsewhere(url)] == [], style.name
    for figure in site.rglob("*.svg"):
        links = [
            value for each in ET.parse(figure).iter() for name, value in each.attrib.items() if name.endswith("href")
        ]
        assert [link for link in links if not link.startswith(("#", "data:"))] == [], figure.name


def commands(app: typer.Typer, name: str) -> dict[str, object]:
    found: dict[str, object] = {}

    def walk(command, name: str) -> None:
        found[name] = command
        for part, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {part}")

    walk(typer.main.get_command(app), name)
    return found


@pytest.mark.parametrize(("app", "name"), [(emostream, "emostream"), (emostream_train, "emostream-train")])
def test_every_option_of_every_command_is_told(pages: dict[Path, Page], app: typer.Typer, name: str):
    found = commands(app, name)
    assert len(found) > 5
    for command_name, command in found.items():
        text = pages[Path("commands") / f"{command_name.replace(' ', '-')}.html"].text
        for parameter in command.params:
            if parameter.name != "help":
                shown = [*(parameter.opts if parameter.param_type_name == "option" else ()), parameter.metavar or ""]
                assert [each for each in shown if each not in text] == [], command_name
                assert " ".join((parameter.help or "").replace("`", "").split())[:40] in " ".join(text.split())


def test_every_field_of_every_event_is_told(pages: dict[Path, Page]):
    page = pages[Path("schema.html")]
    for name, part in json_schema()["$defs"].items():
        assert name.lower() in page.ids
        for field, value in part["properties"].items():
            assert field in page.text
            for each in (value, *value.get("anyOf", ())):
                assert each.get("description", "") in page.text


def test_the_readmes_code_is_code(pages: dict[Path, Page]):
    """Sections of the README may begin with code, or have it between lists and tables."""
    wanted = [
        title
        for page in (ROOT / "docs").glob("*.md")
        for title in re.findall(r"<!-- README: (.+) -->", page.read_text())
    ]
    assert len(wanted) > 10
    sections = re.split(r"^## (.+)\n", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    told = dict(zip(sections[1::2], sections[2::2], strict=True))
    code = "\n".join(page.code for page in pages.values())
    lines = [line for title in wanted for line in told[title].splitlines() if line.startswith("    ")]
    assert len(lines) > 30
    assert [line for line in lines if line[4:].rstrip() not in code] == []


def test_figures_are_there(site: Path, pages: dict[Path, Page]):
    assert {file.stem for file in (site / "figures").glob("*.svg")} == {"chain", "windows", "clip", "pools"}
    shown = {Path(load).stem for load in pages[Path("how-it-works.html")].loads if "figures/" in load}
    assert shown == {"chain", "windows", "clip", "pools"}


def test_the_readmes_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https"
        elif parts.path:
            assert (ROOT / unquote(parts.path)).exists(), target
        else:
            assert parts.fragment in headings, target
