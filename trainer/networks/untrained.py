"""The three networks with random weights, at full size and with plausible statistics. Needs nothing but PyTorch."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.fusion import DBN
from emostream.trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from emostream.trainer.networks.inflate import he_weights
from emostream.trainer.networks.presets import Preset

__all__ = ["AUDIO_RMS", "JOINT_RMS", "VIDEO_RMS", "untrained_graphs"]

# Plausible statistics in place of a training fold's. Channels: static (natural logarithm), delta, delta-delta.
_MEL_MEAN, _MEL_STD = (-6.0, 0.0, 0.0), (4.0, 0.5, 0.25)
_PIXEL_MEAN, _PIXEL_STD = 115.0, 64.0
# The same where the graph has taken out each input's level already.
_LEVELLED_MEL_MEAN, _LEVELLED_MEL_STD = (0.0, 0.0, 0.0), (1.0, 0.125, 0.0625)

AUDIO_RMS, VIDEO_RMS, JOINT_RMS = 2.0, 0.8, 0.5
"""Root mean square of what He's weights make of such inputs, measured on both presets: overlapping maximum pooling
raises it from 1, zero padding lowers it. Sigmoids stay around their middle."""

# Moments of max(0, x), x normal, at a root mean square of 1.
_RELU_MEAN, _RELU_STD = 1 / math.sqrt(math.pi), math.sqrt(1 - 1 / math.pi)
_RELU_HIGHEST = 4.0


def untrained_graphs(preset: Preset, classes: int, seed: int) -> Iterator[Graph]:
    """The three networks with random weights, made one at a time: audio, video, fusion.

    Args:
        preset: their sizes.
        classes: number of classes C of the layers that training would use.
        seed: equal seeds give equal weights.
    """
    generator = torch.Generator().manual_seed(seed)
    yield _audio(preset, classes, generator)
    yield _video(preset, classes, generator)
    yield _fusion(preset, classes, generator)


def _audio(preset: Preset, classes: int, generator: torch.Generator) -> Graph:
    network = AlexNet(classes, preset.audio)
    he_weights(network, generator)
    statistics = (_LEVELLED_MEL_MEAN, _LEVELLED_MEL_STD) if preset.audio.level else (_MEL_MEAN, _MEL_STD)
    side = preset.audio.input_size
    # One for each place, as training finds them; OpenVINO can't fuse one for each channel with the resizing before it.
    mean, std = (torch.tensor(values).view(3, 1, 1).expand(3, side, side) for values in statistics)
    return AudioGraph(network, preset.audio, mean, std)


def _video(preset: Preset, classes: int, generator: torch.Generator) -> Graph:
    network = C3D(classes, preset.video)
    he_weights(network, generator)
    mean, std = (0.0, 1.0) if preset.video.level else (_PIXEL_MEAN, _PIXEL_STD)
    return VideoGraph(network, preset.video, torch.full((preset.video.planes, 1, 1, 1), mean), std)


def _fusion(preset: Preset, classes: int, generator: torch.Generator) -> Graph:
    audio, video = preset.audio.embedding, preset.video.embedding
    network = DBN(classes, audio, video, preset.fusion)
    he_weights(network, generator)
    rms = torch.cat((torch.full((audio,), AUDIO_RMS), torch.full((video,), VIDEO_RMS)))
    if network.clipped:
        network.scaling.set(0.0 * rms, _RELU_HIGHEST * rms)
    else:
        network.scaling.set(_RELU_MEAN * rms, _RELU_STD * rms)
    return FusionGraph(network, audio, video)
