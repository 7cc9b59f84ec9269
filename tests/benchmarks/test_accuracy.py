from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.accuracy_plot import plot
from benchmarks.accuracy_report import AccuracyReport, markdown
from benchmarks.calm import ClipCalm, changes_a_minute, clip_calm
from benchmarks.machine import Machine
from emostream.engines.errors import EmostreamError
from emostream.trainer.starter.measure import summary
from emostream.trainer.starter.recipe import LABELS
from tests.streamer.running import demo_clip


def figures() -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def own() -> dict[str, Any]:
        return summary(rng.integers(0, 7, 90), rng.dirichlet(np.ones(7), 90), np.arange(90) % 9)

    face = {"1": own(), "3": own(), "2-D network": {"accuracy": 0.61}}
    product = {"product_rule_log_loss": 1.5, "product_rule_accuracy": 0.5}
    return {
        "audio": {
            **{name: own() for name in ("1", "3", "all")},
            "groups": {"actors-01-04": 0.7},
            "calm_taken_for_neutral": 0.8,
            "recordings_without_a_voiced_segment": 2,
            "calibration_error": 0.02,
        },
        "video": {"all": face, "non_duplicates": face, "dropped_from_training": 7},
        "fused": {
            **{name: {**own(), **product} for name in ("1", "3", "all")},
            "calibration_error": 0.03,
            "confidence": {"agreeing": 0.9, "contradicting": 0.5},
        },
    }


def report() -> AccuracyReport:
    clip = ClipCalm("a.mp4", 12.0, 39, 30, {"joy": 20, "fear": 10}, {"joy": 15}, {"joy": 9}, 10.0, 35.0)
    bundle = {"name": "starter", "sha256": "ab" * 32, "licence": "CC BY-NC-SA 4.0, non-commercial"}
    return AccuracyReport(
        "accuracy", "2026-01-01", "command", Machine.this(), bundle, True, list(LABELS), figures(), [clip]
    )


def test_a_report_says_every_figure_and_whether_the_fusion_keeps_up() -> None:
    made = report()
    text = markdown(made, "accuracy.png")
    for head, name in (("audio", "1"), ("audio", "all"), ("fused", "3")):
        assert f"{100 * made.figures[head][name]['accuracy']:.1f} % (" in text
        assert f"| {made.figures[head][name]['log_loss']:.3f} |" in text
    assert "does not match the product rule" in text  # of random probabilities
    assert "| a.mp4 | 30 of 39 | joy 67 %, fear 33 % | joy 100 % | joy 100 % | 10.0 | 35.0 |" in text
    assert "60.0 %" in text  # openSMILE's
    assert "64.3 %" in text  # the package fer's
    assert "non-commercial" in text


def test_its_picture_is_drawn(tmp_path: Path) -> None:
    plot(report(), tmp_path / "accuracy.png")
    assert (tmp_path / "accuracy.png").stat().st_size > 20_000


def test_labels_of_a_clip_are_counted_as_published(tmp_path: Path, bundle_folder: Path) -> None:
    file = demo_clip(tmp_path, 3.0)
    found = clip_calm(file, bundle_folder)
    assert found.events == 8
    assert sum(found.labels.values()) == found.labelled
    assert sum(found.last_half.values()) < found.labelled
    assert json.dumps(found.labels)
    assert changes_a_minute(["a", None, "a", "b", None, "b", "a"], 30.0) == 4.0
    with pytest.raises(EmostreamError, match=r"emostream failed on none\.mp4: .*does not exist"):
        clip_calm(tmp_path / "none.mp4", bundle_folder)
