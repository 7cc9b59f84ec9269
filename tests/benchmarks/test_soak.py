"""The soak: what it makes of what it saw, and a short one whole."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.soak.report import delivery_of, growth_of
from benchmarks.soak.usage import Usage

A = ("desk", "s1")


@pytest.mark.parametrize(
    ("published", "received", "expected"),
    [
        ([0, 1, 2], [0, 1, 2], (0, 0, 0)),
        ([0, 1, 2], [0, 2], (1, 0, 0)),
        ([0, 1, 2], [0, 1, 1, 2], (0, 1, 1)),
        ([0, 1, 2], [0, 2, 1], (0, 0, 1)),
        ([0, 2], [0, 2], (1, 0, 0)),  # a number that nobody ever saw
        ([], [0, 1], (0, 0, 0)),
    ],
)
def test_deliveries(published, received, expected):
    (found,) = delivery_of([(*A, seq) for seq in published], [(*A, seq) for seq in received])
    assert (found.lost, found.doubled, found.disordered) == expected
    assert found.whole == (expected == (0, 0, 0))


def test_growth_is_that_of_medians():
    usage = [Usage(float(n), 100.0 + n / 10 + 500 * (n == 95), 20, 10 + n // 100, 0) for n in range(200)]
    growths = {each.what: each for each in growth_of(usage, 100.0, 199.0)}
    assert growths["memory_mb"].early == pytest.approx(109.0)
    assert growths["memory_mb"].late == pytest.approx(118.9)
    assert growths["memory_mb"].most == pytest.approx(609.5)
    assert (growths["files"].early, growths["files"].late) == (10, 11)
    assert growths["threads"].ratio == 1.0


@pytest.mark.fault(
    "Everything at random",
    "half a minute of source faults, subscribers that die, and exceptions of the engine",
    "no event lost, doubled or out of order; threads and open files do not grow",
)
def test_half_a_minute_of_faults(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.5", "--faults", "30", "--output", str(tmp_path)],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "soak.json").read_text())
    assert len(report["faults"]) == 30
    assert {fault["what"] for fault in report["faults"]} == {"source", "subscriber", "engine"}
    assert {each["stream"] for each in report["deliveries"]} == {"camera", "talk"}
    assert sum(each["received"] for each in report["deliveries"]) > 100
    assert report["exit_code"] == 0
    assert (tmp_path / "soak.png").stat().st_size > 10_000
    assert "Everything held" in (tmp_path / "soak.md").read_text()
