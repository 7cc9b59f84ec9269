"""Statistics of a training fold's inputs, which become part of the graph."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from emostream.trainer.networks.graphs import AudioGraph, VideoGraph
from emostream.trainer.training.data import Examples

__all__ = ["fit_audio_statistics", "fit_video_statistics"]

_BATCH = 64


def fit_audio_statistics(graph: AudioGraph, examples: Examples) -> None:
    """Standardise by the mean and deviation of each pixel after the resize, as the authors' scripts do.

    Args:
        graph: its statistics are [3, S, S].
        examples: mel segments of the training fold.
    """
    zero = torch.zeros_like(graph.standardise.offset)
    graph.standardise.set(zero, zero + 1.0)
    mean, spread = _moments(graph, examples, axes=(0,))
    graph.standardise.set(mean.float(), spread.float())


def fit_video_statistics(graph: VideoGraph, examples: Examples) -> None:
    """Centre each colour plane by its mean after the resize, and divide by the deviation over everything.

    Args:
        graph: its mean is [planes, 1, 1, 1].
        examples: clips of the training fold.
    """
    graph.mean.zero_()
    graph.std = 1.0
    mean, spread = _moments(graph, examples, axes=None)
    graph.mean.copy_(mean.reshape(graph.mean.shape))
    graph.std = float(spread.square().mean().sqrt()) or 1.0


@torch.inference_mode()
def _moments(graph: AudioGraph | VideoGraph, examples: Examples, axes: tuple[int, ...] | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over axes of the prepared inputs, float64; None is all but the second, the planes.

    The second moment is taken about the first batch's mean: differences of large squares lose their digits.
    """
    count = 0
    about = total = squares = torch.zeros((), dtype=torch.float64)
    for (inputs,), _ in DataLoader(examples, batch_size=_BATCH):
        prepared = graph.prepare(inputs).double()
        axes = axes or (0, *range(2, prepared.dim()))
        if not count:
            about = prepared.mean(axes, keepdim=True)
        count += prepared.numel() // about.numel()
        centred = prepared - about
        total = total + centred.sum(axes)
        squares = squares + centred.square().sum(axes)
    mean = total / count
    return mean + about.reshape(mean.shape), (squares / count - mean.square()).clamp(min=0.0).sqrt()
