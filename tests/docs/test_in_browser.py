"""The documentation in a real browser: it asks its own server for everything, and its search works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.programs import chromium

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

PAGES = ("index", "first-run", "how-it-works", "failures", "schema", "commands/emostream", "404")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def found(page: Any, word: str) -> int:
    """How many pages the search finds. What is typed before its script listens is lost, so it is typed again."""
    box, results = page.get_by_role("textbox", name="Search"), page.locator(".md-search-result__item")
    until = time.monotonic() + 40
    while not results.count():
        assert time.monotonic() < until
        box.blur()
        box.click()
        box.fill("")
        box.press_sequentially(word)
        page.wait_for_timeout(1000)
    return int(results.count())


def test_a_reader_is_sent_to_no_other_host(address: str):
    asked: list[str] = []
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for name in PAGES:
            page.goto(f"{address}/{name}.html", wait_until="load")
        page.goto(f"{address}/index.html")
        assert found(page, "microphone") > 3
        figure = page.locator("img[src*='figures/chain.svg']")
        assert figure.evaluate("image => image.naturalWidth") > 0
    assert len(asked) > 50
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(address).netloc}
    assert complaints == []
