"""The benchmark of the live page runs all three ways and reports them."""

from __future__ import annotations

import pytest

from benchmarks.page import markdown, measure


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_way_is_measured():
    report = measure(5.0, 1, command="python -m benchmarks.page")
    without, idle, watched = report.ways.values()
    for way in (without, idle, watched):
        assert way.latency_ms is not None
        assert way.latency_ms.count == 15
        assert 0.0 < way.cpu[0] < 2.0
    assert (without.pictures, idle.pictures) == ([], [])
    assert watched.pictures[0] > 1.0
    assert all(way in markdown(report) for way in report.ways)
