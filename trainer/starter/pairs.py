"""Voices and faces of different people put together by their label, to train and to measure the fusion.

RAVDESS has voices and FER2013 faces; nobody is in both. A pair is a voice and a face of one label, as if of one person.
Given the label the two are independent, which a real person's are not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["FacePool", "SegmentPairs", "as_strangers", "draw_faces", "draw_other_faces", "draw_silent", "segment_pairs"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Rng = np.random.Generator

_CONTRADICTING = 0.15  # pairs beside each that agrees
_SILENT = 0.5  # of the agreeing pairs: in so many one half says nothing
_STRAY = 1.0  # standard deviations of each unit


@dataclass(frozen=True, eq=False)
class FacePool:
    """Faces to draw from.

    Attributes:
        features: float32 [N, E], embeddings.
        labels: int64 [N].
    """

    features: Floats
    labels: Ints


@dataclass(frozen=True, eq=False)
class SegmentPairs:
    """Pairs that the fusion network is trained on.

    Attributes:
        audio: float32 [n, A].
        video: float32 [n, V].
        labels: int64 [n]; of a contradicting pair one of its two labels, at random.
    """

    audio: Floats
    video: Floats
    labels: Ints


def draw_faces(labels: Ints, pool: FacePool, rng: Rng) -> Ints:
    """A face of the same label for each voice.

    Args:
        labels: of the voices [n].
        pool: what is drawn from; has a face of each label.
        rng: of the draw.

    Returns:
        int64 [n], places in the pool.
    """
    chosen = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        chosen[own] = rng.choice(np.flatnonzero(pool.labels == label), own.size)
    return chosen


def draw_other_faces(labels: Ints, pool: FacePool, rng: Rng) -> Ints:
    """As `draw_faces`, of another label than the voice's."""
    classes = np.unique(pool.labels)
    return draw_faces(np.array([rng.choice(classes[classes != label]) for label in labels], np.int64), pool, rng)


def draw_silent(count: int, rng: Rng) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """In which of so many pairs the voice says nothing, and in which the face does; never both, often neither.

    What is learned from pairs that always agree is that the half that is easier to tell decides. Where either is often
    alone, each has to count for what it tells by itself, as in the product rule.
    """
    silent, voice = rng.random(count) < _SILENT, rng.random(count) < 0.5
    return silent & voice, silent & ~voice


def as_strangers(pairs: SegmentPairs, rng: Rng) -> SegmentPairs:
    """The pairs with noise added, since the embeddings of people unknown to the networks stray further."""

    def strayed(features: Floats) -> Floats:
        noise = rng.standard_normal(features.shape, dtype=np.float32)
        return np.asarray(features + _STRAY * features.std(axis=0) * noise, np.float32)

    return replace(pairs, audio=strayed(pairs.audio), video=strayed(pairs.video))


def segment_pairs(audio: Floats, labels: Ints, pool: FacePool, times: int, rng: Rng) -> SegmentPairs:
    """Pairs of single segments: most agree, some contradict each other, in some one half says nothing.

    Where halves contradict each other, either label is right as often, so that what is learned is to doubt. A half
    that says nothing is the mean of its embeddings; live, the fusion network never gets one.

    Args:
        audio: embeddings of voiced segments, float32 [n, A].
        labels: of them [n].
        pool: of faces.
        times: agreeing pairs of each segment.
        rng: of the draw.
    """
    voices = np.tile(np.arange(len(labels)), times)
    faces = draw_faces(labels[voices], pool, rng)
    contradicting = rng.permutation(voices)[: round(_CONTRADICTING * voices.size)]
    others = draw_other_faces(labels[contradicting], pool, rng)
    heard = np.concatenate([voices, contradicting])
    seen = np.concatenate([faces, others])
    either = np.where(rng.random(heard.size) < 0.5, labels[heard], pool.labels[seen])
    first, second = audio[heard], pool.features[seen]
    silent_voices, silent_faces = draw_silent(voices.size, rng)
    first[: voices.size][silent_voices] = audio.mean(axis=0)
    second[: voices.size][silent_faces] = pool.features.mean(axis=0)
    return SegmentPairs(first, second, either)
