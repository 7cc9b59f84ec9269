"""The clip that these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.streamer.recording.clips import acted


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of the drawn person; nobody writes to it."""
    return acted(tmp_path_factory.mktemp("clip") / "acted.mp4")
