"""The starter's fusion network, and what its joint features are of recordings with a face each."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from emostream.trainer.export import as_exported
from emostream.trainer.fusion.pretrain import pretrain
from emostream.trainer.heads.prefixes import PrefixRows, prefix_rows
from emostream.trainer.networks.fusion import DBN
from emostream.trainer.networks.graphs import FusionGraph, Graph
from emostream.trainer.networks.presets import FusionShape
from emostream.trainer.starter.pairs import SegmentPairs
from emostream.trainer.starter.recipe import LABELS, StarterRecipe
from emostream.trainer.training.compute import Compute
from emostream.trainer.training.data import PairSegments, Rows
from emostream.trainer.training.embedding import Embedded
from emostream.trainer.training.loop import load_trained, train

__all__ = ["joint_prefixes", "train_fusion"]

_BATCH = 4096

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def train_fusion(
    pairs: SegmentPairs, shape: FusionShape, recipe: StarterRecipe, place: Path, seed: int, compute: Compute
) -> Graph:
    """The deep belief network on pairs of embeddings, in its exported form; a finished one is loaded.

    Args:
        pairs: what it learns from.
        shape: of the network.
        recipe: how.
        place: folder of what is unfinished.
        seed: of weights, machines and order.
        compute: where.

    Raises:
        TrainingError: the training can't go on.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        network = DBN(len(LABELS), pairs.audio.shape[1], pairs.video.shape[1], shape)
    graph = FusionGraph(network, pairs.audio.shape[1], pairs.video.shape[1])
    content = hashlib.sha256(pairs.audio.tobytes() + pairs.video.tobytes() + pairs.labels.tobytes()).hexdigest()
    settings = (content, shape, recipe.fusion, recipe.rbm, seed, compute.precision)
    identity = hashlib.sha256(repr(settings).encode()).hexdigest()
    if not load_trained(graph, place, identity):
        count = len(pairs.labels)
        audio, video = torch.from_numpy(pairs.audio), torch.from_numpy(pairs.video)
        own = PairSegments(audio, video, Rows(np.arange(count), np.zeros(count, np.int64)), pairs.labels)
        network.fit_scaling(audio, video)
        network.to(compute.device)
        pretrain(network, audio, video, recipe.rbm, seed)
        train(graph, own, recipe.fusion, place, seed=seed, compute=compute, identity=identity)
    return as_exported(graph)


@torch.inference_mode()
def joint_prefixes(graph: Graph, voices: Embedded, recordings: Ints, faces: Floats) -> PrefixRows:
    """Pooled joint features of the beginnings of recordings, each with one face all along.

    Args:
        graph: the fusion network.
        voices: audio embeddings of voiced segments.
        recordings: int64 [M], the voice of each pair.
        faces: float32 [M, V], the face's embedding of each pair.

    Returns:
        The prefixes; their `recordings` are places among the M pairs.
    """
    bounds = np.searchsorted(voices.rows.recording, [recordings, recordings + 1])
    counts = bounds[1] - bounds[0]
    segments = np.concatenate([np.arange(*each) for each in bounds.T] or [np.zeros(0, np.int64)])
    pair_of = np.repeat(np.arange(len(recordings)), counts)
    joint = [
        graph(torch.from_numpy(voices.features[segments[part]]), torch.from_numpy(faces[pair_of[part]])).numpy()
        for part in np.split(np.arange(len(segments)), range(_BATCH, len(segments), _BATCH))
    ]
    return prefix_rows(np.split(np.concatenate(joint), np.cumsum(counts)[:-1]))
