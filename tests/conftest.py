"""What many tests need: a bundle, the real clips, sounds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch reads it when it is imported; the workers share the cores

LABELS = ("class-1", "class-2", "class-3", "class-4", "class-5", "class-6")
# Of tests/streamer, those that run at live pace or stop the time.
_LIVE = (
    "test_browser_source",
    "test_reconnect",
    "test_command",
    "test_fleet",
    "test_live_sources",
    "test_microphone",
    "test_network_stream",
    "test_page",
    "test_page_in_browser",
    "test_recording",
    "test_recordings",
    "test_stopping",
)
_LONGEST = ("live", "test_known_answer", "test_plans", "test_reproduce_command", "test_build", "test_run")
SHARED = Path(__file__).parents[1].parent / "shared" / "data"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several workers share the tests, one of them gets all that run at live pace or measure time.

    What takes longest is begun first, so that no worker is left with it while the others have nothing to do.
    """
    if config.pluginmanager.hasplugin("xdist"):
        groups = {item.nodeid: _group(item) for item in items}
        for item in items:
            item.add_marker(pytest.mark.xdist_group(groups[item.nodeid]))
        items.sort(key=lambda item: _LONGEST.index(g) if (g := groups[item.nodeid]) in _LONGEST else len(_LONGEST))


def _group(item: pytest.Item) -> str:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    alone = folder in ("engines", "trainer", "fuzz", "examples", "docs", "packaging") or (
        folder == "streamer" and item.path.stem not in _LIVE
    )
    return item.path.stem if alone else "live"


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained compact bundle."""
    pytest.importorskip("torch", reason="making a bundle needs the train extra")
    from emostream.trainer.networks.presets import COMPACT
    from emostream.trainer.untrained import write_untrained

    folder = tmp_path_factory.mktemp("bundles") / "compact"
    write_untrained(folder, COMPACT, LABELS, name="test", seed=0)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real recordings beside the checkout; in CI they may not be missing."""
    if not SHARED.is_dir():
        if os.environ.get("EMOSTREAM_REQUIRE_ALL"):
            pytest.fail(f"{SHARED} is missing, and CI needs it")
        pytest.skip("needs the real clips in ../shared/data beside the checkout")
    return SHARED


@pytest.fixture
def noise() -> npt.NDArray[np.float32]:
    """Four seconds of coloured noise, loud and soft."""
    rng = np.random.default_rng(7)
    white = rng.standard_normal(4 * 16_000)
    swell = 0.02 + 0.1 * np.sin(np.arange(white.size) / 3000.0) ** 2
    return (np.convolve(white, [0.5, 0.3, 0.2], "same") * swell).astype(np.float32)
