"""A whole training whose answer is known: invented people whom voice alone and face alone each confuse.

The small form of what `emostream-train reproduce` shows on a larger set of them.
"""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from emostream.trainer.actors.dataset import write_dataset
from emostream.trainer.datasets.base import ReadOptions
from emostream.trainer.datasets.choose import read_dataset
from emostream.trainer.networks.presets import COMPACT
from emostream.trainer.protocol.fold import FoldJob, run_fold
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.prepare import prepare, store_of
from emostream.trainer.training.compute import Compute
from emostream.trainer.training.recipe import RECIPES
from emostream.trainer.training.stages import TrainingPlan

SMALL = replace(
    COMPACT,
    name="small",
    audio=replace(COMPACT.audio, channels=(24, 48, 64, 64, 64)),
    video=replace(COMPACT.video, channels=(12, 24, 48, 96, 96), mirrored=False),
)
SINGLE = {"audio", "audio-original", "audio-15", "video", "video-original"}


@pytest.mark.timeout(1200)
def test_fused_beats_voice_and_face_on_strangers(tmp_path):
    write_dataset(
        tmp_path / "rml", "rml", subjects=8, takes=2, seconds=2.5, size=(320, 240), seed=0, jobs=2, progress=None
    )
    prepared = prepare(read_dataset("rml", tmp_path / "rml", ReadOptions()), tmp_path / "cache", jobs=2)
    corpus = Corpus.of(prepared, store_of(tmp_path / "cache"))
    plan = TrainingPlan(
        preset=SMALL,
        recipe=RECIPES["scratch"].with_epochs(24),
        audio_weights=None,
        video_weights=None,
        video_bgr=None,
        which="all",
        seed=0,
        compute=Compute.best(),
    )
    strangers = Fold("strangers", prepared.dataset.subjects[:2])
    place = run_fold(FoldJob(corpus, strangers, plan, tmp_path / "fold", threads=1, keep=False))
    with (place / "decisions.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    accuracy = {method.key: sum(row[method.key] == row["truth"] for row in rows) / len(rows) for method in METHODS}
    print(accuracy)
    dbn, single = accuracy["dbn-2"], max(accuracy["audio"], accuracy["video"])
    assert len(rows) == 24
    assert dbn >= 0.95
    assert dbn >= single + 0.10
    assert dbn >= max(value for key, value in accuracy.items() if key not in SINGLE) - 0.005
