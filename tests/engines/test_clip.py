from __future__ import annotations

import pytest

from emostream.engines.frontend import grid
from emostream.engines.frontend.clip import FrameFace, TickTrack, select_clip_frames

# L, and which of its frames the clip holds, written out by hand from the rule in the paper's section III-A.
RULE = {
    5: [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4],
    10: [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9],
    15: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14],
    16: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    17: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    20: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
}

# Which frame of a camera serves ticks 0 to 11 of the 30 fps grid; where two are equally near, the earlier one.
GRID = {
    10: [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4],
    15: [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
    24: [0, 1, 2, 2, 3, 4, 5, 6, 6, 7, 8, 9],
    25: [0, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9],
    29.97: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    30: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    60: [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22],
}


def frame(t: float) -> FrameFace:
    return FrameFace(t, (640, 480), None, None, 128.0)


def served(times: list[float], ticks: int) -> list[int | None]:
    track = TickTrack()
    frames = [frame(t) for t in times]
    for each in frames:
        track.push(each)
    track.decide_until(ticks)
    return [None if f is None else frames.index(f) for f in track.span(0, ticks)]


@pytest.mark.parametrize("length", RULE)
def test_frame_rule(length):
    assert select_clip_frames(range(length)) == RULE[length]


def test_frame_rule_needs_a_frame():
    with pytest.raises(ValueError, match="at least one frame"):
        select_clip_frames([])


@pytest.mark.parametrize("fps", GRID)
def test_any_camera_on_the_grid(fps):
    assert served([n / fps for n in range(30)], 12) == GRID[fps]


def test_variable_frame_rate():
    # By hand: ticks at 0, .033, .067, .1, .133, .167, .2, .233, .267, .3, .333, .367
    times = [0.0, 0.02, 0.09, 0.1, 0.25, 0.26, 0.34]
    assert served(times, 12) == [0, 1, 2, 3, 3, 3, 4, 4, 5, 5, 6, 6]


def test_a_frame_serves_ticks_within_100_ms_only():
    assert served([0.0, 1.0], 36) == [0, 0, 0, 0] + [None] * 23 + [1] * 7 + [None] * 2


def test_ticks_before_the_first_frame():
    assert served([0.2], 8) == [None, None, None, 0, 0, 0, 0, 0]


def test_times_must_rise():
    track = TickTrack()
    track.push(frame(0.5))
    with pytest.raises(ValueError, match="expected rising times"):
        track.push(frame(0.5))


def test_grid_rule():
    assert grid.SEGMENT_TICKS == 20
    assert grid.SHIFT_TICKS == 9
    assert [grid.segment_start(k) for k in (0, 1, 10)] == [0, 4800, 48_000]
    assert grid.segment_end(1) - grid.segment_start(1) == 10_480
    # Segments of 0.655 s every 0.3 s that fit, at least one.
    lengths = {0.1: 1, 0.655: 1, 0.954: 1, 0.955: 2, 2.4185: 6, 6.402: 20, 19.69: 64, 60.0: 198}
    assert {length: grid.segment_count(length) for length in lengths} == lengths
    with pytest.raises(ValueError, match="expected a positive length"):
        grid.segment_count(0.0)
