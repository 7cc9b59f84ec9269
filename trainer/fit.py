"""The final bundle: networks trained on every subject, heads whose probabilities strangers have calibrated.

Some subjects are left out at a time, a whole model is trained on the others, and its SVMs' decisions on the subjects it
has never seen calibrate the heads and give the figures. The networks and SVMs of the bundle are trained on everyone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from emostream.engines.bundle import FORMAT_VERSION, Bundle, Manifest
from emostream.engines.errors import DataError, TrainingError
from emostream.engines.heads import HEAD_NAMES, HeadName, LinearSVM
from emostream.trainer.export import as_exported, frontend_of, refuse_existing, write_bundle
from emostream.trainer.heads.calibrated import known_decisions
from emostream.trainer.heads.choice import Calibration, choose_calibration
from emostream.trainer.heads.figures import head_figures
from emostream.trainer.heads.prefixes import PrefixRows, prefix_rows
from emostream.trainer.heads.svm import train_svm
from emostream.trainer.networks.graphs import Graph
from emostream.trainer.processes import each_in_processes
from emostream.trainer.protocol.folds import Fold, group_folds
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.training.compute import limit_threads
from emostream.trainer.training.embedding import Embedded
from emostream.trainer.training.stages import FusionVariant, Pairs, Stages, TrainingPlan

__all__ = ["FitJob", "fit"]

_log = logging.getLogger("emostream")
_DBN = FusionVariant()  # the paper's


@dataclass(frozen=True)
class FitJob:
    """The training of a bundle.

    Attributes:
        corpus: every recording.
        plan: how to train.
        place: folder of what is unfinished; may go when the bundle is there.
        groups: at most so many groups of subjects are left out, one after another.
        side_by_side: groups that are trained at once.
        threads: of a CPU, for one group.
        name: what the bundle calls itself.
        licence: of its weights.
    """

    corpus: Corpus
    plan: TrainingPlan
    place: Path
    groups: int
    side_by_side: int
    threads: int
    name: str
    licence: str


def fit(job: FitJob, out: Path, progress: Callable[[str], None] | None = None) -> Bundle:
    """Train a bundle; what an interrupted call has finished is taken over.

    Args:
        job: what to train.
        out: the bundle's folder; must not exist, or be empty.
        progress: told of each part as it is finished.

    Raises:
        DataError: recordings of one subject only, or without voices, faces, or both at once.
        TrainingError: a training can't go on.
        ConfigError: `out` exists and is no empty folder.
        PublishError: the bundle can't be written.
    """
    refuse_existing(out.absolute())
    corpus = job.corpus
    folds = group_folds(list(corpus.subjects), job.groups, corpus.dataset)
    decisions = _strangers(job, folds, progress)
    limit_threads(job.threads * job.side_by_side)
    graphs, rows = _model(job, np.ones(len(corpus.recordings), bool), job.place / "everyone")
    calibrations: dict[HeadName, Calibration] = {}
    for head in HEAD_NAMES:
        own, labels = rows[head], corpus.labels[rows[head].recordings]
        svm = train_svm(own.features, labels, len(corpus.classes), weights=own.weights, names=corpus.classes)
        subjects = corpus.subjects[own.recordings]
        calibrations[head] = choose_calibration(svm, decisions[head], labels, subjects, own, folds=job.groups)
    if progress:
        progress("everyone")
    heads: dict[HeadName, LinearSVM] = {head: each.head for head, each in calibrations.items()}
    figures = {
        head: head_figures(each, decisions[head], rows[head], corpus.labels, corpus.subjects)
        for head, each in calibrations.items()
    }
    return write_bundle(out, graphs, heads, _manifest(job, folds, figures))


def _strangers(
    job: FitJob, folds: tuple[Fold, ...], progress: Callable[[str], None] | None
) -> dict[HeadName, npt.NDArray[np.float64]]:
    """Decision values [N, P] of every prefix, by heads of models that were trained without its subject."""
    found: dict[HeadName, npt.NDArray[np.float64]] = {}
    work = partial(_left_out, job)
    for outcome in each_in_processes(work, folds, jobs=job.side_by_side, name=lambda fold: fold.name):
        if outcome.error is not None or outcome.value is None:
            raise outcome.error or TrainingError(f"{outcome.item.name} gave nothing")
        with np.load(outcome.value) as arrays:
            for head in HEAD_NAMES:
                whole = found.setdefault(head, np.full(arrays[head].shape, np.nan))
                held_out = arrays[f"{head} held out"]
                whole[held_out] = arrays[head][held_out]
        if progress:
            progress(outcome.item.name)
    return found


def _left_out(job: FitJob, fold: Fold) -> Path:
    """Train without some subjects; a file of decisions [N, P] on every prefix, and which are theirs."""
    limit_threads(job.threads)
    corpus = job.corpus
    trained = ~np.isin(corpus.subjects, fold.held_out)
    place = job.place / fold.name
    _, rows = _model(job, trained, place)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for head, own in rows.items():
        used = trained[own.recordings]
        labels = corpus.labels[own.recordings[used]]
        svm = train_svm(
            own.features[used], labels, len(corpus.classes), weights=own.weights[used], names=corpus.classes
        )
        arrays[head] = known_decisions(svm, own.features)
        arrays[f"{head} held out"] = ~used
    file = place / "decisions.npz"
    try:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise TrainingError(f"{file} can't be written: {error.strerror}; make room and run the same again") from error
    return file


def _model(job: FitJob, trained: npt.NDArray[np.bool_], place: Path) -> tuple[list[Graph], dict[HeadName, PrefixRows]]:
    """Both stages of training; the networks as they are exported, and the prefixes of every recording."""
    corpus = job.corpus
    stages = Stages(corpus, trained, job.plan, place, finish=as_exported)
    heard_by, audio = stages.audio()
    seen_by, video = stages.video()
    pairs = Pairs.of(audio, video)
    if not len(pairs.rows.recording):
        raise DataError(
            f"no segment of data set {corpus.dataset} has a voice and a face; a bundle needs recordings with both"
        )
    fused_by, fused = stages.fusion(_DBN, "fusion", pairs, job.plan.recipe.rbm.rate)
    embedded: dict[HeadName, Embedded] = {"audio": audio, "video": video, "fused": fused}
    return [heard_by, seen_by, fused_by], {
        head: prefix_rows(each.by_recording(len(corpus.recordings))) for head, each in embedded.items()
    }


def _manifest(job: FitJob, folds: tuple[Fold, ...], figures: dict[HeadName, dict[str, Any]]) -> Manifest:
    corpus, plan = job.corpus, job.plan
    training = {
        "method": "unimodal networks, then a deep belief network on their frozen embeddings; heads on prefixes",
        "dataset": corpus.dataset,
        "recordings": len(corpus.recordings),
        "subjects": len(set(corpus.subjects.tolist())),
        "content": corpus.identity(np.ones(len(corpus.recordings), bool)),
        "segments": plan.which,
        "face_detector": corpus.store.detector,
        "recipe": asdict(plan.recipe),
        "initial_weights": [f"{each.file.name}, sha256 {each.sha256}" for each in plan.initial_weights()] or "random",
        "seed": plan.seed,
        "precision": plan.compute.precision,
        "versions": {"emostream": version("emostream"), "torch": str(torch.__version__)},
    }
    return Manifest(
        format=FORMAT_VERSION,
        name=job.name,
        preset=plan.preset.name,
        trained=True,
        labels=corpus.classes,
        frontend=frontend_of(plan.preset),
        networks={},
        files={},
        training=training,
        figures={
            "measured_on": f"{len(folds)} groups of subjects, each by a model of the same recipe that never saw them",
            "heads": figures,
        },
        licence=job.licence,
    )
