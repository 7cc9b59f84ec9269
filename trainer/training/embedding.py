"""Embeddings and class decisions of many segments at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Subset

from emostream.trainer.networks.graphs import Graph
from emostream.trainer.training.compute import Compute
from emostream.trainer.training.data import Examples, Rows
from emostream.trainer.training.runtime import keep_memory

__all__ = ["Embedded", "embed"]

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Embedded:
    """What a network makes of segments.

    Attributes:
        rows: which segments, n of them.
        features: float32 [n, E], the embeddings.
        logits: float32 [n, C].
    """

    rows: Rows
    features: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]

    def by_recording(self, recordings: int) -> list[npt.NDArray[np.float32]]:
        """The features of each of so many recordings, [n, E] each; n may be 0."""
        return np.split(self.features, np.searchsorted(self.rows.recording, np.arange(1, recordings)))


@torch.inference_mode()
def embed(graph: Graph, examples: Examples, trained: npt.NDArray[np.bool_], compute: Compute) -> Embedded:
    """Embed every example, in float32.

    Args:
        graph: the network.
        examples: n of them.
        trained: which of them the model learns from, bool [n]. They share no batch with the others: its size, and a
            place in it, decide the last bits, and nothing that is learned may depend on who is tested.
        compute: where.

    Returns:
        The embeddings in the order of the examples.
    """
    keep_memory()
    graph = graph.to(compute.device).eval()
    none = torch.zeros(0, *graph.output.shape, device=compute.device)
    parts = [(none.cpu(), graph.network.classify(none).cpu())]
    apart = np.flatnonzero(trained), np.flatnonzero(~trained)
    for rows in apart:
        chosen = Subset(examples, rows.tolist())
        for inputs, _ in DataLoader(chosen, batch_size=_BATCH, num_workers=compute.loaders):
            found = graph(*(each.to(compute.device) for each in inputs))
            parts.append((found.cpu(), graph.network.classify(found).cpu()))
    graph.to("cpu")
    back = np.argsort(np.concatenate(apart))
    features, logits = (torch.cat(column).numpy()[back] for column in zip(*parts, strict=True))
    return Embedded(examples.rows, features, logits)
