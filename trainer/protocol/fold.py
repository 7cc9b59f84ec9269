"""One test run of the protocol: train on all subjects but the held-out ones, then decide on theirs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostream.engines.errors import TrainingError
from emostream.engines.files import replace_file, replacing
from emostream.engines.heads import LinearSVM
from emostream.trainer.heads.svm import fit_svm
from emostream.trainer.protocol.decisions import Decider
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.protocol.methods import FUSIONS
from emostream.trainer.protocol.pooled import Pooled, pool
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import SHORT_WINDOW
from emostream.trainer.training.compute import limit_threads, writing
from emostream.trainer.training.stages import FusionVariant, Pairs, Stages, TrainingPlan

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
    plan: TrainingPlan
    place: Path
    threads: int
    keep: bool

    def identity(self) -> str:
        """Names all that the result depends on."""
        every = np.ones(len(self.corpus.recordings), bool)
        people = [(each.name, each.subject) for each in self.corpus.recordings]
        parts = (self.corpus.identity(every), people, self.fold, self.plan.identity(), self.threads)
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
    if not finished(job):
        with writing(job.place):
            _train_and_test(job)
    return job.place


def _train_and_test(job: FoldJob) -> None:
    begun = time.monotonic()
    limit_threads(job.threads)
    _log.info("fold %s begins", job.fold.name)
    corpus = job.corpus
    trained = ~np.isin(corpus.subjects, job.fold.held_out)
    _warn_of_missing_classes(job.fold, corpus, trained)
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
    _save_svms(job.place / "svms.npz", decider)
    replace_file(job.place / "decisions.csv", _decisions_csv(corpus, trained, decisions).encode())
    replace_file(job.place / "fold.json", json.dumps(summary, indent=2).encode())
    if not job.keep:
        for weights in job.place.rglob("weights.pt"):
            weights.unlink()
    _log.info("fold %s is finished after %.0f s", job.fold.name, time.monotonic() - begun)


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
    recipe, corpus = stages.plan.recipe, stages.corpus
    if len(recipe.rbm_rates) == 1:
        return {recipe.rbm_rates[0]: None}
    inner = np.isin(corpus.subjects, np.unique(corpus.subjects[stages.trained])[::_INNER_SHARE])
    inside = stages.inside(~inner, "inner")
    known = pairs.only(stages.trained)
    paired = np.isin(np.arange(len(corpus.recordings)), known.rows.recording)
    own, tested = paired & ~inner, paired & inner
    if len(np.unique(corpus.labels[own])) < 2 or not tested.any():
        return {recipe.rbm.rate: None}
    found: dict[float, float | None] = {}
    for rate in recipe.rbm_rates:
        try:
            joint = pool(inside.fusion(FusionVariant(), f"rate-{rate}", known, rate)[1], len(corpus.recordings))
        except TrainingError as error:
            _log.warning("the machines' rate %s is out of the choice: %s", rate, error)
            found[rate] = 0.0
            continue
        svm = fit_svm(joint.mean[own], corpus.labels[own], len(corpus.classes))
        found[rate] = float((svm.predict(joint.mean[tested]) == corpus.labels[tested]).mean())
    return found


def _warn_of_missing_classes(fold: Fold, corpus: Corpus, trained: npt.NDArray[np.bool_]) -> None:
    for label in sorted(set(corpus.classes) - {corpus.classes[index] for index in corpus.labels[trained]}):
        _log.warning(
            "fold %s trains on no recording of class %s and never chooses it; add recordings of it or leave it out",
            fold.name,
            label,
        )


def _save_svms(file: Path, decider: Decider) -> None:
    arrays = {}
    for name, svm in decider.svms.items():
        fields = ("weight", "bias", "prob_a", "prob_b") if isinstance(svm, LinearSVM) else ("weight", "bias")
        arrays.update({f"{name} {field}": getattr(svm, field) for field in fields})
    with replacing(file) as part, part.open("wb") as stream:
        np.savez(stream, **arrays)


def _decisions_csv(corpus: Corpus, trained: npt.NDArray[np.bool_], decisions: dict[str, npt.NDArray[np.int64]]) -> str:
    names = (*corpus.classes, "")  # -1 is no decision
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["recording", "subject", "truth", *decisions])
    for row, index in enumerate(np.flatnonzero(~trained)):
        recording = corpus.recordings[index]
        found = [names[each[row]] for each in decisions.values()]
        writer.writerow([recording.name, recording.subject, recording.label, *found])
    return text.getvalue()
