"""The parts of the starter's training that run side by side: the faces, and a model of voices per left-out group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.trainer.export import as_exported
from emostream.trainer.heads.calibrated import known_decisions
from emostream.trainer.heads.prefixes import PrefixRows, prefix_rows
from emostream.trainer.heads.svm import SVM, train_svm
from emostream.trainer.networks.graphs import Graph
from emostream.trainer.networks.presets import Preset
from emostream.trainer.protocol.folds import Fold
from emostream.trainer.starter.cached import cached
from emostream.trainer.starter.face_model import FaceEmbeddings, FaceTraining
from emostream.trainer.starter.faces import Faces, read_faces
from emostream.trainer.starter.fusion import joint_prefixes, train_fusion
from emostream.trainer.starter.pairs import (
    FacePool,
    as_strangers,
    draw_faces,
    draw_other_faces,
    draw_silent,
    segment_pairs,
)
from emostream.trainer.starter.recipe import LABELS, StarterRecipe
from emostream.trainer.starter.voices import Voices
from emostream.trainer.training.compute import Compute, limit_threads
from emostream.trainer.training.embedding import Embedded
from emostream.trainer.training.stages import Stages, TrainingPlan

__all__ = ["EVERYONE", "FACES", "Fused", "StarterJob", "embed_faces", "face_training", "fused", "learn", "strangers"]

FACES = Fold("faces", ())
"""The part that trains on faces."""

EVERYONE = Fold("everyone", ())
"""The model of voices that ships: nobody is left out."""

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class StarterJob:
    """The training of the starter.

    Attributes:
        voices: recordings.
        faces: FER2013's file or folder.
        place: folder of what is unfinished.
        recipe: how.
        preset: sizes of the networks.
        seed: equal seeds give equal bundles, on equal machines.
        compute: where.
        side_by_side: parts that are trained at once.
        threads: of a CPU, for one part.
    """

    voices: Voices
    faces: Path
    place: Path
    recipe: StarterRecipe
    preset: Preset
    seed: int
    compute: Compute
    side_by_side: int
    threads: int

    def stages(self, part: Fold) -> Stages:
        """The training of one model of voices."""
        plan = TrainingPlan(
            preset=self.preset,
            recipe=self.recipe.as_recipe,
            audio_weights=None,
            video_weights=None,
            video_bgr=None,
            which="voiced",
            seed=self.seed,
            compute=self.compute,
        )
        return Stages(self.voices.corpus, self.trained(part), plan, self.place / part.name, finish=as_exported)

    def trained(self, part: Fold) -> npt.NDArray[np.bool_]:
        """Which recordings a part learns from, bool [R]."""
        return ~np.isin(self.voices.corpus.subjects, part.held_out)


def learn(job: StarterJob, part: Fold) -> None:
    """Train the networks of one part; what is finished is taken as it is."""
    limit_threads(job.threads)
    if part == FACES:
        face_training(job)[1].clips()
    else:
        job.stages(part).train_audio(varied=True)


def embed_faces(job: StarterJob, name: str) -> None:
    """Embed one of the sets of faces; one that is finished is taken as it is."""
    limit_threads(job.threads)
    face_training(job)[1].embed(name)


def face_training(job: StarterJob) -> tuple[Faces, FaceTraining]:
    """The faces, and the training of the video network on them."""
    faces = read_faces(job.faces, job.place)
    place = job.place / FACES.name
    return faces, FaceTraining(faces, job.recipe, job.preset.video, place, job.seed, job.compute)


@dataclass(frozen=True, eq=False)
class Fused:
    """A model of voices with its fusion network.

    Attributes:
        audio: its audio network.
        heard: embeddings of every recording's voiced segments.
        fusion: its fusion network.
        voice_rows: prefixes of every recording.
        pair_rows: prefixes of pairs of a recording that it learnt from and a face, of which one may say nothing;
            `recordings` are places in `voices`.
        voices: int64 [M], the recording of each pair.
    """

    audio: Graph
    heard: Embedded
    fusion: Graph
    voice_rows: PrefixRows
    pair_rows: PrefixRows
    voices: npt.NDArray[np.int64]

    def voice_svm(self, job: StarterJob, trained: npt.NDArray[np.bool_]) -> SVM:
        """The voice's SVM, on the recordings `trained`, bool [R]."""
        labels, rows, used = job.voices.corpus.labels, self.voice_rows, trained[self.voice_rows.recordings]
        recordings = rows.recordings[used]
        return _svm(rows.features[used], labels[recordings], rows.weights[used], job.recipe.voice_c)

    def fused_svm(self, job: StarterJob) -> SVM:
        """The fusion's SVM, on all pairs."""
        labels, pairs = job.voices.corpus.labels, self.pair_rows
        return _svm(pairs.features, labels[self.voices[pairs.recordings]], pairs.weights, job.recipe.fused_c)


def fused(job: StarterJob, part: Fold, faces: FaceEmbeddings) -> Fused:
    """Train the fusion network of one part on the embeddings of its voices and of known faces."""
    stages, corpus = job.stages(part), job.voices.corpus
    audio, heard = stages.audio(varied=True)
    trained = job.trained(part)
    pool = FacePool(faces.known, faces.known_labels)
    rng = np.random.default_rng((job.seed, *part.name.encode()))
    own = trained[heard.rows.recording]
    recordings = heard.rows.recording[own]
    pairs = segment_pairs(heard.features[own], corpus.labels[recordings], pool, job.recipe.pairs, rng)
    pairs = as_strangers(pairs, rng)
    fusion = train_fusion(pairs, job.preset.fusion, job.recipe, job.place / part.name / "fusion", job.seed, job.compute)
    voices = np.unique(recordings)
    seen = pool.features[draw_faces(corpus.labels[voices], pool, rng)]
    silent_voices, silent_faces = draw_silent(len(voices), rng)
    seen[silent_faces] = pool.features.mean(axis=0)
    silenced = heard.features.copy()
    silenced[np.isin(heard.rows.recording, voices[silent_voices])] = heard.features[own].mean(axis=0)
    rows = joint_prefixes(fusion, replace(heard, features=silenced), voices, seen)
    return Fused(audio, heard, fusion, prefix_rows(heard.by_recording(len(corpus.recordings))), rows, voices)


def strangers(job: StarterJob, part: Fold) -> tuple[Fold, Arrays]:
    """What a model makes of the actors that it never heard, alone and beside faces that nobody trained on.

    Returns:
        The part, and decisions of its SVMs by name: `voice` [N, P] on prefixes (`voice_recordings`, `voice_lengths`);
        and for pairs with faces of the `public` and `private` test split, agreeing, and `other` ones of the private
        split with another label: `NAME` [N, P], `NAME_recordings` [N], `NAME_lengths` [N], `NAME_faces` [N], places in
        the split.
    """
    limit_threads(job.threads)
    read, training = face_training(job)
    _, faces = training.embeddings()
    voices = job.voices.corpus.identity(np.ones(len(job.voices.calm), bool))
    settings = (part, job.seed, job.recipe, job.preset, job.compute.precision, read.sha256, voices)
    return part, cached(
        job.place / part.name / "strangers.npz", repr(settings), lambda: _strangers(job, part, read, faces)
    )


def _strangers(job: StarterJob, part: Fold, read: Faces, faces: FaceEmbeddings) -> Arrays:
    model, corpus = fused(job, part, faces), job.voices.corpus
    trained, rows, fused_svm = job.trained(part), model.voice_rows, model.fused_svm(job)
    held_out = ~trained[rows.recordings]
    found: Arrays = {
        "voice": known_decisions(model.voice_svm(job, trained), rows.features[held_out]),
        "voice_recordings": rows.recordings[held_out],
        "voice_lengths": rows.lengths[held_out],
    }
    rng = np.random.default_rng((job.seed, *part.name.encode(), 1))
    voices = np.unique(rows.recordings[held_out])
    for name, split, features in (
        ("public", read.public, faces.public),
        ("private", read.private, faces.private[0]),
        ("other", read.private, faces.private[0]),
    ):
        pool = FacePool(features, split.labels)
        draw = draw_other_faces if name == "other" else draw_faces
        chosen = draw(corpus.labels[voices], pool, rng)
        own = joint_prefixes(model.fusion, model.heard, voices, features[chosen])
        found |= {
            name: known_decisions(fused_svm, own.features),
            f"{name}_recordings": voices[own.recordings],
            f"{name}_lengths": own.lengths,
            f"{name}_faces": chosen[own.recordings],
        }
    return found


def _svm(
    features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], c: float
) -> SVM:
    return train_svm(features, labels, len(LABELS), weights=weights, c=c, names=LABELS)
