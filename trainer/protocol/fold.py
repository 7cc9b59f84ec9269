"""One test run of the protocol: train on all subjects but the held-out ones, then decide on theirs."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.errors import TrainingError
from engines.heads import LinearSVM
from trainer.heads.svm import train_svm
from trainer.protocol.decisions import Decider
from trainer.protocol.folds import Fold
from trainer.protocol.methods import FUSIONS
from trainer.protocol.pooled import Pooled, pool
from trainer.segments.corpus import Corpus
from trainer.segments.store import SHORT_WINDOW
from trainer.training.compute import limit_threads
from trainer.training.stages import FusionVariant, Pairs, Plan, Stages

__all__ = ["FoldJob", "finished", "run_fold"]

_log = logging.getLogger("emostream")
_INNER_SHARE = 4  # every fourth training subject helps to choose the machines' rate


@dataclass(frozen=True)
class FoldJob:
    """Everything that another process, or another machine that shares the files, needs for a fold.

    Attributes:
        corpus: every recording, held-out ones included.
        fold: whom to hold out.
        plan: how to train.
        place: folder of the fold.
        threads: of a CPU; part of what decides the last bits of a result.
        keep: whether the weights stay when the fold is finished.
    """

    corpus: Corpus
    fold: Fold
    plan: Plan
    place: Path
    threads: int
    keep: bool

    def identity(self) -> str:
        """Names all that the result depends on."""
        every = np.ones(len(self.corpus.recordings), bool)
        parts = (self.corpus.identity(every), self.fold, self.plan.identity(), self.threads)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def finished(job: FoldJob) -> bool:
    """Whether the fold has its result already."""
    try:
        found = json.loads((job.place / "fold.json").read_text())
    except (OSError, ValueError):
        return False
    return bool(found.get("identity") == job.identity()) and (job.place / "decisions.csv").is_file()


def run_fold(job: FoldJob) -> Path:
    """Train and test; what an interrupted run has finished is taken over.

    Returns:
        The folder with `decisions.csv`, one row a held-out recording and one column a method; `fold.json`; `svms.npz`.

    Raises:
        TrainingError: a training can't go on, or the folder can't be written.
        DataError: there is too little to train on.
    """
    if finished(job):
        return job.place
    begun = time.monotonic()
    limit_threads(job.threads)
    _log.info("fold %s begins", job.fold.name)
    corpus = job.corpus
    trained = ~np.isin(corpus.subjects, job.fold.held_out)
    stages = Stages(corpus, trained, job.plan, job.place)
    features, chosen = _features(stages)
    decider = Decider(corpus, trained, features)
    decisions = decider.decide_all()
    summary = {
        "identity": job.identity(),
        "held_out": job.fold.held_out,
        "machines_rate": chosen,
        "seconds": round(time.monotonic() - begun, 1),
    }
    try:
        _save_svms(job.place / "svms.npz", decider)
        _save_decisions(job.place / "decisions.csv", corpus, trained, decisions)
        _replace(job.place / "fold.json", json.dumps(summary, indent=2))
    except OSError as error:
        raise TrainingError(f"fold {job.fold.name} can't be written to {job.place}: {error.strerror}") from error
    if not job.keep:
        for weights in job.place.rglob("weights.pt"):
            weights.unlink()
    _log.info("fold %s is finished after %.0f s", job.fold.name, time.monotonic() - begun)
    return job.place


def _features(stages: Stages) -> tuple[dict[str, Pooled], dict[str, float | None]]:
    """Every pooled feature of the registry, and how well each rate of the machines did on inner subjects."""
    count = len(stages.corpus.recordings)
    _, audio = stages.audio()
    _, video = stages.video()
    features = {"audio": pool(audio, count), "video": pool(video, count)}
    features["audio-15"] = pool(stages.audio(SHORT_WINDOW)[1], count)
    features["audio-original"] = pool(stages.audio(original=True)[1], count)
    features["video-original"] = pool(stages.video(original=True)[1], count)
    pairs = Pairs.of(audio, video)
    rates = _rates(stages, pairs)
    best = max(rates, key=lambda rate: rates[rate] or 0.0)
    own = stages.plan.preset.fusion.scaling
    for name, variant in FUSIONS.items():
        if variant.scaling == own:
            features[name] = features["dbn-2"]
        else:
            features[name] = pool(stages.fusion(variant, name, pairs, best)[1], count)
    return features, {str(rate): accuracy for rate, accuracy in rates.items()}


def _rates(stages: Stages, pairs: Pairs) -> dict[float, float | None]:
    """Accuracy of DBN-2 by rate of its machines on inner subjects, which the fold trains on; None without a choice."""
    rates = stages.plan.recipe.rbm_rates
    subjects = stages.corpus.subjects
    inner = np.unique(subjects[stages.trained])[::_INNER_SHARE]
    held_out = stages.trained & np.isin(subjects, inner)
    if len(rates) == 1 or not (stages.trained & ~held_out).any():
        return {stages.plan.recipe.rbm.rate: None}
    inside = Stages(stages.corpus, stages.trained & ~held_out, stages.plan, stages.place / "inner")
    labels, classes = stages.corpus.labels, len(stages.corpus.classes)
    found: dict[float, float | None] = {}
    for rate in rates:
        joint = pool(inside.fusion(FusionVariant(), f"rate-{rate}", pairs, rate)[1], len(labels))
        own, tested = inside.trained & joint.present, held_out & joint.present
        svm = train_svm(joint.mean[own], labels[own], classes, names=stages.corpus.classes)
        found[rate] = float((svm.predict(joint.mean[tested]) == labels[tested]).mean())
    return found


def _save_svms(file: Path, decider: Decider) -> None:
    arrays = {}
    for name, svm in decider.svms.items():
        fields = ("weight", "bias", "prob_a", "prob_b") if isinstance(svm, LinearSVM) else ("weight", "bias")
        arrays.update({f"{name} {field}": getattr(svm, field) for field in fields})
    np.savez(file, **arrays)


def _save_decisions(file: Path, corpus: Corpus, trained: np.ndarray, decisions: dict[str, np.ndarray]) -> None:
    tested = np.flatnonzero(~trained)
    names = (*corpus.classes, "")  # -1 is no decision
    beside = file.with_suffix(".part")
    with beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["recording", "subject", "truth", *decisions])
        for row, index in enumerate(tested):
            recording = corpus.recordings[index]
            found = [names[each[row]] for each in decisions.values()]
            writer.writerow([recording.name, recording.subject, recording.label, *found])
    os.replace(beside, file)


def _replace(file: Path, text: str) -> None:
    beside = file.with_suffix(".part")
    beside.write_text(text)
    os.replace(beside, file)
