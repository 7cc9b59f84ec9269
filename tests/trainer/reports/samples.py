"""Made-up runs with figures that are known beforehand."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np

from emostream.trainer.datasets.base import PAPER_LABELS
from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.facts import FoldFacts, RunFacts, Training, WeightFile
from emostream.trainer.reports.outcomes import Outcomes
from emostream.trainer.reports.preparation import Preparation, RecordingProblem

LABELS = PAPER_LABELS
ABILITY = {"audio": 0.6, "video": 0.4, "dbn-2": 0.95, "product": 0.85, "audio-original": 0.15}  # the others: 0.6


def outcomes(labels=LABELS, subjects=6, each=12, seed=0, undecided=0) -> Outcomes:
    """Balanced recordings, a fold a subject; each method is right about as often as its ability says.

    The first `undecided` recordings have no decision by video.
    """
    rng = np.random.default_rng(seed)
    n = subjects * each
    truth = np.arange(n) % len(labels)
    people = np.repeat([f"s{number}" for number in range(1, subjects + 1)], each)
    predicted = {}
    for method in METHODS:
        right = rng.random(n) < ABILITY.get(method.key, 0.6)
        predicted[method.key] = np.where(right, truth, (truth + rng.integers(1, len(labels), n)) % len(labels))
    predicted["sum"] = predicted["average"]
    predicted["video"][:undecided] = -1
    names = tuple(f"{person}/{number:03}.mp4" for number, person in enumerate(people))
    return Outcomes(tuple(labels), names, people, np.char.add("subject-", people), truth, predicted)


@cache
def run() -> Outcomes:
    """One run for all tests that only read, since its intervals take a moment."""
    return outcomes(undecided=4)


def preparation(**changes) -> Preparation:
    values = {
        "found": 74,
        "used": 72,
        "left_out": {"other emotions": 3},
        "found_by_subject": {f"s{number}": 12 + 2 * (number == 2) for number in range(1, 7)},
        "lost_by_subject": {"s2": 2},
        "segments": 900,
        "voiced_share": 0.5,
        "face_share": 0.875,
        "problems": (
            RecordingProblem("s2/bad|clip.mp4", "can't be decoded", "no video\nstream", lost=True),
            RecordingProblem("s2/short.mp4", "too short", "0.30 s", lost=True),
            RecordingProblem("s3/000.mp4", "no face", "", lost=False),
        ),
    }
    return Preparation(**values | changes)


def facts(dataset="rml", labels=LABELS, **changes) -> RunFacts:
    values = {
        "protocol": "subjects",
        "folds": {f"subject-s{n}": FoldFacts((f"s{n}",), {"0.01": 0.5, "0.05": 0.625}, 61.0) for n in range(1, 7)},
        "folds_of_all": 6,
        "preparation": preparation(),
        "training": Training(
            preset="compact",
            recipe="paper",
            epochs={"audio": 2, "video": 400, "rbm": 50, "fusion": 100},
            initial_weights={"audio": WeightFile("alexnet.pth", 64 * "a"), "video": None},
            video_bgr=None,
            segments="all",
            seed=7,
            precision="32-true",
        ),
        "shortened": ("The audio network trained for 2 epochs; recipe paper has 300.",),
        "version": "0.1.0",
        "command": "emostream-train reproduce --dataset rml RML",
        "date": "2025-01-02 03:04 UTC",
        "machine": "A processor",
        "cores": 2,
        "seconds": 7384.0,
    }
    return RunFacts(dataset, tuple(labels), **values | changes)


def write_folds(folder: Path, run: Outcomes) -> dict[str, Path]:
    """The folders that folds with these outcomes leave."""
    names = (*run.classes, "")
    places = {}
    for fold in dict.fromkeys(run.folds.tolist()):
        place = places[fold] = folder / fold
        place.mkdir(parents=True)
        own = np.flatnonzero(run.folds == fold)
        with (place / "decisions.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["recording", "subject", "truth", *run.predicted])
            for row in own:
                decided = [names[each[row]] for each in run.predicted.values()]
                writer.writerow([run.recordings[row], run.subjects[row], names[run.truth[row]], *decided])
        summary = {"identity": "", "held_out": [fold[8:]], "machines_rate": {"0.05": 0.5}, "seconds": 1.5}
        (place / "fold.json").write_text(json.dumps(summary))
    return places
