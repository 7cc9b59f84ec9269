"""The starter from beginning to end: voices, faces, fusion, calibrated heads, figures, and the bundle with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from emostream.engines.bundle import FORMAT_VERSION, Bundle, Manifest
from emostream.engines.files import replace_file
from emostream.engines.heads import HeadName, LinearSVM
from emostream.trainer.export import frontend_of, refuse_existing, write_bundle
from emostream.trainer.heads.choice import Calibration, choose_calibration
from emostream.trainer.heads.svm import SVM, train_svm
from emostream.trainer.networks.graphs import Graph
from emostream.trainer.processes import each_in_processes
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.starter.face_model import FACE_SETS, FaceEmbeddings
from emostream.trainer.starter.faces import Faces
from emostream.trainer.starter.measure import FINDINGS, Decided, measure_face, measure_fusion, measure_voice
from emostream.trainer.starter.parts import (
    EVERYONE,
    FACES,
    StarterJob,
    embed_faces,
    face_training,
    fused,
    learn,
    strangers,
)
from emostream.trainer.starter.recipe import LABELS, LICENCE
from emostream.trainer.starter.voices import actor_folds
from emostream.trainer.training.compute import limit_threads, writing

__all__ = ["build"]


Progress = Callable[[str], None]


def build(job: StarterJob, out: Path, progress: Progress) -> tuple[Bundle, dict[str, Any]]:
    """Train the starter; what an interrupted call has finished is taken over.

    Voices: a model for each group of actors left out, and one of all. Faces: one model, of FER2013's training split;
    its public test split calibrates, its private one is measured. Heads: the voice's and the fused one's probabilities
    are fitted to decisions on the actors left out.

    Args:
        job: what to train.
        out: the bundle's folder; must not exist, or be empty.
        progress: told of each part as it is finished.

    Returns:
        The bundle, and its figures as `job.place / FINDINGS` holds them.

    Raises:
        DataError: a data set lacks something.
        TrainingError: a training can't go on.
        ConfigError: `out` exists and is no empty folder.
        PublishError: the bundle can't be written.
    """
    refuse_existing(out.absolute())
    folds = actor_folds(job.voices, job.recipe.groups)
    for outcome in each_in_processes(partial(learn, job), (FACES, EVERYONE, *folds), jobs=job.side_by_side, name=_name):
        if outcome.error is not None:
            raise outcome.error
        progress(f"{outcome.item.name}: networks")
    for embedded in each_in_processes(partial(embed_faces, job), FACE_SETS, jobs=job.side_by_side):
        if embedded.error is not None:
            raise embedded.error
    progress("faces: embeddings")
    parts = []
    for found in each_in_processes(partial(strangers, job), folds, jobs=job.side_by_side, name=_name):
        if found.error is not None or found.value is None:
            raise found.error or RuntimeError(f"{found.item.name} gave nothing")
        parts.append(found.value)
        progress(f"{found.item.name}: fusion")
    parts.sort(key=lambda part: part[0].name)
    limit_threads(job.threads)  # more would decide other last bits
    read, training = face_training(job)
    video, faces = training.embeddings()
    model = fused(job, EVERYONE, faces)
    voice_svm, fused_svm = model.voice_svm(job, job.trained(EVERYONE)), model.fused_svm(job)
    face_svm = train_svm(faces.known, faces.known_labels, len(LABELS), c=job.recipe.face_c, names=LABELS)
    progress("everyone: fusion and heads")
    calibrations, figures = _measured(
        job, folds, [found for _, found in parts], (voice_svm, face_svm, fused_svm), read, faces
    )
    with writing(job.place):
        replace_file(job.place / FINDINGS, json.dumps(figures, indent=1).encode())
    heads: dict[HeadName, LinearSVM] = {name: each.head for name, each in calibrations.items()}
    graphs: list[Graph] = [model.audio, video, model.fusion]
    return write_bundle(out, graphs, heads, _manifest(job, folds, read, calibrations, figures)), figures


def _measured(
    job: StarterJob,
    folds: tuple[Fold, ...],
    parts: list[dict[str, npt.NDArray[Any]]],
    svms: tuple[SVM, SVM, SVM],
    read: Faces,
    faces: FaceEmbeddings,
) -> tuple[dict[HeadName, Calibration], dict[str, Any]]:
    """Calibrated heads, and the figures of each."""
    voice_svm, face_svm, fused_svm = svms
    voice, public = Decided.of(parts, "voice"), Decided.of(parts, "public")
    corpus = job.voices.corpus
    groups = np.array([next((f.name for f in folds if subject in f.held_out), "") for subject in corpus.subjects])
    clean = np.flatnonzero(~read.public.copies)
    one_each = np.arange(len(clean))

    still = Decided(one_each, np.ones_like(one_each), face_svm.decisions(faces.public[clean]), clean)
    calibrations: dict[HeadName, Calibration] = {
        "audio": _calibrated(voice_svm, voice, corpus.labels[voice.recordings], corpus.subjects[voice.recordings]),
        "video": _calibrated(face_svm, still, read.public.labels[clean], one_each),
        "fused": _calibrated(fused_svm, public, corpus.labels[public.recordings], corpus.subjects[public.recordings]),
    }
    face_head = calibrations["video"].head
    figures = {
        "audio": measure_voice(calibrations["audio"].method, voice, job.voices, groups),
        "video": measure_face(face_head, read, faces),
        "fused": measure_fusion(
            calibrations["fused"].method,
            calibrations["audio"].method,
            parts,
            lambda places: face_head.probabilities(faces.private[0][places]),
            face_head.probabilities(faces.public[clean]).mean(axis=0),
            job.voices,
            groups,
        ),
    }
    return calibrations, figures


def _calibrated(svm: SVM, decided: Decided, labels: npt.NDArray[np.int64], subjects: npt.NDArray[Any]) -> Calibration:
    return choose_calibration(svm, decided.decisions, labels, subjects, decided)


def _manifest(
    job: StarterJob,
    folds: tuple[Fold, ...],
    read: Faces,
    calibrations: dict[HeadName, Calibration],
    figures: dict[str, Any],
) -> Manifest:
    corpus = job.voices.corpus
    return Manifest(
        format=FORMAT_VERSION,
        name="starter",
        preset=job.preset.name,
        trained=True,
        labels=LABELS,
        frontend=frontend_of(job.preset),
        networks={},
        files={},
        training={
            "method": "AlexNet on RAVDESS's voices; C3D inflated from a 2-D network on FER2013's stills and tuned on "
            "moving clips of them; deep belief network on label-matched pairs of voice and face; heads on prefixes",
            "recordings": len(corpus.recordings),
            "subjects": len({each for fold in folds for each in fold.held_out}),
            "pictures": len(read.train.pictures),
            "content": [corpus.identity(np.ones(len(corpus.recordings), bool)), read.sha256],
            "recipe": asdict(job.recipe),
            "seed": job.seed,
            "precision": job.compute.precision,
            "versions": {"emostream": version("emostream"), "torch": str(torch.__version__)},
        },
        figures={
            "measured_on": f"audio: RAVDESS, {len(folds)} groups of actors, each by a model of the same recipe that "
            "never heard them; video: FER2013's private test split by this network; fused: label-matched pairs of "
            "both, which say nothing about a person's own voice and face",
            "probabilities": {name: each.method for name, each in calibrations.items()},
            "heads": _plain(figures),
        },
        licence=LICENCE,
    )


def _plain(figures: Any) -> Any:
    """The figures without what only plots need."""
    if isinstance(figures, dict):
        return {name: _plain(each) for name, each in figures.items() if name not in ("confusion", "reliability")}
    return figures


def _name(part: Fold) -> str:
    return part.name
