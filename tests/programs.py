"""Programs that some tests need, and not every machine has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

# Without these Chromium asks hosts of its maker at every start.
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def needed(*programs: str, package: str) -> None:
    """Skip where a program is missing; in CI, fail."""
    lacking = [name for name in programs if shutil.which(name) is None]
    if lacking:
        reason = f"needs {', '.join(lacking)} ({package})"
        if os.environ.get("EMOSTREAM_REQUIRE_ALL"):
            pytest.fail(f"{reason}, and CI needs it")
        pytest.skip(reason)


@contextmanager
def chromium(playwright: Playwright, *options: str) -> Iterator[Browser]:
    """A headless Chromium while it runs."""
    needed("chromium", package="Debian's chromium")
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*_QUIET, *options])
    yield browser
    browser.close()
