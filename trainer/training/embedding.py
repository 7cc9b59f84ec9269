"""Embeddings and class decisions of many segments at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader

from trainer.networks.graphs import Graph
from trainer.training.compute import Compute
from trainer.training.data import Examples, Rows

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


@torch.inference_mode()
def embed(graph: Graph, examples: Examples, compute: Compute) -> Embedded:
    """Embed every example, in float32, in order."""
    graph = graph.to(compute.device).eval()
    parts = [torch.zeros(0, graph.output.shape[0])]
    for inputs, _ in DataLoader(examples, batch_size=_BATCH, num_workers=compute.loaders):
        parts.append(graph(*(each.to(compute.device) for each in inputs)).float().cpu())
    features = torch.cat(parts)
    logits = graph.network.classify(features.to(compute.device)).float().cpu()
    graph.to("cpu")
    return Embedded(examples.rows, features.numpy(), logits.numpy())
