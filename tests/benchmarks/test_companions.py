"""The benchmark of the live page and of recording runs every way and reports them."""

from __future__ import annotations

import pytest

from benchmarks.companions import markdown, measure


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_way_is_measured():
    report = measure(5.0, 1, command="python -m benchmarks.companions")
    alone, unseen, viewed, recorded, filmed = report.ways.values()
    for way in report.ways.values():
        assert way.latency_ms is not None
        assert way.latency_ms.count == 15
        assert 0.0 < way.cpu[0] < 2.0
    assert not any(way.pictures for way in (alone, unseen, recorded, filmed))
    assert viewed.pictures[0] > 1.0
    assert all(way in markdown(report) for way in report.ways)
