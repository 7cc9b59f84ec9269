"""The side-by-side benchmark, and the ratios that no change may lose. Ratios in one run, for machines are shared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import compare
from emostream.engines.errors import EngineError

# Far below what was measured (benchmarks/results/compare-compact.md), so that only a real loss shows.
LEAST_TIMES_AS_FAST = {"OpenVINO": 1.5, "followed": 4.0}


def test_ways_take_turns_and_are_compared_with_the_first() -> None:
    order: list[str] = []

    def way(name: str, done: int) -> compare.Opened:
        return lambda _: lambda: order.append(name) or done  # type: ignore[func-returns-value]

    def broken(_: object) -> compare.Way:
        raise EngineError("it is not there")

    found = compare.compare({"a": way("a", 1), "b": way("b", 1000), "c": broken}, rounds=3)
    assert order == ["a", "b", "a", "b", "a", "b", "a", "b"]
    assert [each.way for each in found] == ["a", "b", "c"]
    assert found[0].ratio == 1.0
    assert found[1].milliseconds is not None
    assert found[0].milliseconds is not None
    assert found[1].milliseconds < found[0].milliseconds
    assert (found[2].milliseconds, found[2].ratio, found[2].reason) == (None, None, "it is not there")


@pytest.mark.timeout(300)
def test_what_was_won_is_not_lost(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="INT8 needs the extra int8")
    options = ["--preset", "compact", "--rounds", "15", "--output", str(tmp_path), "--name", "ratios"]
    done = CliRunner().invoke(compare.app, options, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "ratios.json").read_text(encoding="utf-8"))
    networks = {each["way"]: each for each in report["networks"]}
    best = max(each["ratio"] for name, each in networks.items() if name.startswith("OpenVINO") and each["ratio"])
    assert best >= LEAST_TIMES_AS_FAST["OpenVINO"], networks
    followed = next(each for each in report["faces"] if each["way"].startswith("followed"))
    assert followed["ratio"] >= LEAST_TIMES_AS_FAST["followed"], report["faces"]
    text = (tmp_path / "ratios.md").read_text(encoding="utf-8")
    assert "times as fast" in text
    assert str(tmp_path) not in text
