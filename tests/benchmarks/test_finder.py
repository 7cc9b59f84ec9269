"""The benchmark of face detectors: counting, and a small run from the command to its report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from benchmarks.finder.__main__ import _finder
from benchmarks.finder.tally import Tally, compare
from emostream.trainer.finder.composites import Composite
from tests.trainer.finder.drawn import write_photos


def test_each_face_is_found_once_and_eyes_count_in_their_distance() -> None:
    boxes = np.array([[100, 100, 40, 40], [300, 200, 60, 60]], np.float32)
    points = np.zeros((2, 5, 2), np.float32)
    points[0, :2] = [[110, 115], [130, 115]]
    scene = Composite(np.zeros((480, 640, 3), np.uint8), boxes, points, np.ones(2, np.float32))
    exact, near, far = ((np.array(box, float), np.array([[112.0, 115.0], [132.0, 115.0]])) for box in (
        (100, 100, 40, 40), (104, 100, 40, 40), (500, 400, 50, 50)
    ))  # fmt: skip
    tally = Tally()
    compare([near, exact, far], scene, tally)
    assert (tally.faces, tally.found, tally.false) == (2, 1, 1)  # the second box on the same face is not another one
    assert tally.eyes == [pytest.approx(0.1)]


def test_it_measures_and_writes_its_report(tmp_path: Path, shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    write_photos(photos)
    shutil.copy(shared / "face_detection_yunet_2023mar.onnx", photos)
    _finder(photos, None, pictures=1, empty=4, part="held_out", output=tmp_path / "out", name="small")
    report = json.loads((tmp_path / "out" / "small.json").read_text())
    assert {row["detector"] for row in report["conditions"]} == {
        "finder 640", "yunet 640", "yunet 320", "viola-jones 640", "viola-jones 320", "constant box"
    }  # fmt: skip
    assert {row["condition"] for row in report["conditions"]} >= {
        "width 12",
        "width 200",
        "roll 60",
        "cut",
        "masked",
        "dim",
    }
    assert all(0 <= row["recall"] <= 100 for row in report["conditions"])
    assert all(times > 0 for each in report["search_ms"].values() for times in each.values())
    text = (tmp_path / "out" / "small.md").read_text()
    for title in ("Faces found", "Error of the eyes", "False faces", "One search"):
        assert f"## {title}" in text
    assert str(tmp_path) not in text
