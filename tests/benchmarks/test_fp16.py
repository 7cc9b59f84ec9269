from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fp16 import main, markdown, measure
from emostream.engines.starter import STARTER
from tests.streamer.running import demo_clip


def test_the_report_has_every_network_and_head(tmp_path: Path) -> None:
    result = measure(STARTER, [demo_clip(tmp_path, 3.0)], "python -m benchmarks.fp16")
    assert result.segments == 8
    assert {role: each.segments for role, each in result.numerics.networks.items()}["video"] == 8
    page = markdown(result)
    assert "Bundle starter (compact, trained), manifest SHA-256 " in page
    for role in ("audio", "video", "fusion"):
        assert f"| {role} | " in page
    assert page.count(" % |") == 2 * len(result.numerics.networks)


def test_an_empty_folder_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["fp16", "--clips", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"benchmarks\.fp16: error: .* holds no recordings; name a folder of yours"):
        main()
