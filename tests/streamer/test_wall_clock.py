"""A system clock that is set while a session runs."""

from __future__ import annotations

import pytest

from emostream.streamer.pipeline.clock import WallClock


class Clocks:
    def __init__(self) -> None:
        self.wall, self.monotonic = 1_795_269_600.0, 50.0

    def go(self, seconds: float, *, wall: float | None = None) -> None:
        self.monotonic += seconds
        self.wall += seconds if wall is None else wall


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def watch(clocks):
    return WallClock(lambda: clocks.wall, lambda: clocks.monotonic)


def test_clocks_that_agree_say_nothing(clocks, watch, caplog):
    for _ in range(24 * 3600):
        clocks.go(1.0, wall=1.0 + 1e-6)  # both are steered; what is left between them over a day is 86 ms
        assert watch.jump_s() == 0.0
    assert watch.unix_offset == 1_795_269_600.0 - 50.0
    assert not caplog.records


@pytest.mark.fault(
    "System clock that is set",
    "it jumps by up to an hour, forwards and back",
    "status says by how much; the times of the session never step",
)
@pytest.mark.parametrize("jump", [3600.0, -3600.0, 0.5, -0.2])
def test_a_jump_is_told_once_and_the_times_stay(clocks, watch, caplog, jump):
    clocks.go(10.0)
    offset = watch.unix_offset
    clocks.wall += jump
    for _ in range(100):
        clocks.go(1.0)
        assert watch.jump_s() == pytest.approx(jump, abs=1e-3)
    assert watch.unix_offset == offset
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"{jump:+.1f} s from the session's" in record.message


def test_every_new_jump_is_told_and_one_back_too(clocks, watch, caplog):
    for jump in (5.0, 2.0, -7.0):
        clocks.wall += jump
        clocks.go(1.0)
        watch.jump_s()
    assert watch.jump_s() == 0.0
    assert ["+5.0" in r.message for r in caplog.records] == [True, False, False]
    assert len(caplog.records) == 3


def test_a_machine_that_slept(clocks, watch):
    """The monotonic clock of Linux stands still meanwhile."""
    clocks.go(0.0, wall=8 * 3600.0)
    assert watch.jump_s() == pytest.approx(8 * 3600.0)
