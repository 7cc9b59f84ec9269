"""A bundle with random weights: it runs at full size and speed, and its scores mean nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from engines.bundle import FORMAT_VERSION, Bundle, Manifest
from engines.heads import HeadName, LinearSVM
from trainer.export import frontend_of, write_bundle
from trainer.networks.alexnet import AlexNet
from trainer.networks.c3d import C3D
from trainer.networks.fusion import DBN
from trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from trainer.networks.initial import he_weights
from trainer.networks.presets import Preset

__all__ = ["untrained_graphs", "write_untrained"]

# Plausible statistics in place of a training fold's. Channels: static (natural logarithm), delta, delta-delta.
_MEL_MEAN, _MEL_STD = (-6.0, 0.0, 0.0), (4.0, 0.5, 0.25)
_PIXEL_MEAN, _PIXEL_STD = 115.0, 64.0
# The same where the graph has taken out each input's level already.
_LEVELLED_MEL_MEAN, _LEVELLED_MEL_STD = (0.0, 0.0, 0.0), (1.0, 0.125, 0.0625)

# Root mean square of what He's weights make of such inputs, measured on both presets: overlapping maximum pooling
# raises it from 1, zero padding lowers it. Sigmoids stay around their middle.
_AUDIO_RMS, _VIDEO_RMS, _JOINT_RMS = 2.0, 0.8, 0.5

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


def write_untrained(out: Path, preset: Preset, labels: tuple[str, ...], name: str, seed: int) -> Bundle:
    """Write an untrained bundle.

    Args:
        out: the new bundle's folder.
        preset: the sizes of its networks.
        labels: the classes.
        name: what the bundle calls itself.
        seed: equal seeds give equal bundles.

    Returns:
        The bundle, checked.

    Raises:
        ConfigError: `out` exists and is no empty folder.
        PublishError: it can't be written.
    """
    manifest = Manifest(
        format=FORMAT_VERSION,
        name=name,
        preset=preset.name,
        trained=False,
        labels=labels,
        frontend=frontend_of(preset),
        networks={},
        files={},
        training={"method": "none: seeded random weights", "seed": seed, "preset": preset.name},
        figures={},
        licence="Apache-2.0",
    )
    heads = _heads(preset, len(labels), seed)
    return write_bundle(out, untrained_graphs(preset, len(labels), seed), heads, manifest)


def _audio(preset: Preset, classes: int, generator: torch.Generator) -> Graph:
    network = AlexNet(classes, preset.audio)
    he_weights(network, generator)
    statistics = (_LEVELLED_MEL_MEAN, _LEVELLED_MEL_STD) if preset.audio.level else (_MEL_MEAN, _MEL_STD)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in statistics)
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
    rms = torch.cat((torch.full((audio,), _AUDIO_RMS), torch.full((video,), _VIDEO_RMS)))
    if network.clipped:
        network.scaling.set(0.0 * rms, _RELU_HIGHEST * rms)
    else:
        network.scaling.set(_RELU_MEAN * rms, _RELU_STD * rms)
    return FusionGraph(network, audio, video)


def _heads(preset: Preset, classes: int, seed: int) -> dict[HeadName, LinearSVM]:
    """Random heads whose decision values are near one in size, so that their probabilities don't saturate."""
    generator = np.random.default_rng(seed)
    pairs = classes * (classes - 1) // 2
    features: dict[HeadName, tuple[int, float]] = {
        "audio": (preset.audio.embedding, _AUDIO_RMS),
        "video": (preset.video.embedding, _VIDEO_RMS),
        "fused": (preset.fusion.joint, _JOINT_RMS),
    }
    return {
        name: LinearSVM(
            weight=(generator.standard_normal((pairs, size)) / (math.sqrt(size) * rms)).astype(np.float32),
            bias=np.zeros(pairs, np.float32),
            prob_a=np.full(pairs, -1.0, np.float32),
            prob_b=np.zeros(pairs, np.float32),
        )
        for name, (size, rms) in features.items()
    }
