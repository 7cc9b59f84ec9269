"""The front-end benchmark on a short clip: what it counts. No test looks at a time."""

from __future__ import annotations

from pathlib import Path

import cv2

from benchmarks import frontend
from emostream.engines.frontend.grid import SEGMENT_SECONDS
from emostream.trainer.actors.clip import Line, write_clip


def test_every_part_of_a_clip_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "actor.mp4"
    write_clip(file, actor=1, script=(Line("joy", 1.5), Line("joy", 0.5, face=False)), size=(320, 320))
    threads = cv2.getNumThreads()
    try:
        report = frontend.measure([file], command="python -m benchmarks.frontend")
    finally:
        cv2.setNumThreads(threads)
    (cost,) = report.clips
    counts = {part: summary.count for part, summary in cost.parts_ms.items()}
    assert cost.measured_size == (640, 480)
    assert counts["vision"] == cost.clip.frames == 60
    assert counts["mel"] == counts["cut"] == cost.clip.segments == 1 + int((2.0 - SEGMENT_SECONDS) / 0.3)
    assert counts["voice"] == int(2.0 / 0.032)
    assert cost.face_share is not None
    assert cost.eyes_share is not None
    assert 0.5 < cost.face_share < 1.0  # kept for a moment after it has left
    assert cost.eyes_share <= cost.face_share
    assert "actor.mp4 | 2.0 s | 320 x 320 | 640 x 480 | 60" in frontend.markdown(report)
    assert str(tmp_path) not in frontend.markdown(report)
