"""The capacity benchmark: its search, what it makes of sessions, and a short real run. No test looks at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import capacity
from benchmarks.capacity import search, tried
from benchmarks.capacity_report import CapacityTrial
from tests.benchmarks.test_latency import emotion, session


def trial(streams: int, *, carried: bool) -> CapacityTrial:
    return CapacityTrial(streams, carried, [] if carried else ["p99"], None, 0.0, 0.0)


@pytest.mark.parametrize("capacity", [0, 1, 2, 3, 5, 6, 7, 8, 11, 12])
def test_the_search_finds_the_most_and_tries_none_twice(capacity: int) -> None:
    asked: list[int] = []

    def attempt(streams: int) -> CapacityTrial:
        asked.append(streams)
        return trial(streams, carried=streams <= capacity)

    found = search(attempt, 12)
    assert max((each.streams for each in found if each.carried), default=0) == capacity
    assert sorted(asked) == [each.streams for each in found]
    assert len(set(asked)) == len(asked)


def test_streams_are_measured_while_all_play() -> None:
    first = session([emotion(index, latency_ms=50.0) for index in range(12)])
    found = tried([first, first], 12)
    assert found.carried
    assert found.latency_ms is not None
    assert found.latency_ms.count == 2 * 10  # but those of the first second
    assert found.cpu_percent == pytest.approx(50.0, abs=0.5)
    assert found.memory_mb == pytest.approx(100.0, abs=0.1)


def test_what_is_dropped_or_late_is_not_carried() -> None:
    clean = session([emotion(index) for index in range(12)])
    dropping = session([emotion(index, dropped=1) for index in range(12)])
    found = tried([clean, dropping], 12)
    assert not found.carried
    assert found.problems == ["stream 1: 1 segments and 0 frames were dropped"]
    late = tried([session([emotion(index, latency_ms=301.0) for index in range(12)])], 12)
    assert late.problems == ["p99 is 301 ms, at most 300 is asked"]


def test_two_streams_report_themselves(bundle_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    options = ["--bundle", str(bundle_folder), "--seconds", "5", "--most", "2", "--output", str(tmp_path)]
    done = CliRunner().invoke(capacity.app, [*options, "--name", "two"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "two.json").read_text(encoding="utf-8"))
    assert report["trials"][0]["streams"] == 1
    assert report["engine"]["name"] in ("openvino", "onnxruntime", "tensorrt")
    text = (tmp_path / "two.md").read_text(encoding="utf-8")
    assert "streams at once" in text
    assert str(tmp_path) not in text
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")
