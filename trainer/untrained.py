"""A bundle with random weights: it runs at full size and speed, and its scores mean nothing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from emostream.engines.bundle import FORMAT_VERSION, Bundle, Manifest
from emostream.engines.heads import HeadName, LinearSVM
from emostream.trainer.export import frontend_of, write_bundle
from emostream.trainer.networks.presets import Preset
from emostream.trainer.networks.untrained import AUDIO_RMS, JOINT_RMS, VIDEO_RMS, untrained_graphs

__all__ = ["write_untrained"]


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


def _heads(preset: Preset, classes: int, seed: int) -> dict[HeadName, LinearSVM]:
    """Random heads whose decision values are near one in size, so that their probabilities don't saturate."""
    generator = np.random.default_rng(seed)
    pairs = classes * (classes - 1) // 2
    features: dict[HeadName, tuple[int, float]] = {
        "audio": (preset.audio.embedding, AUDIO_RMS),
        "video": (preset.video.embedding, VIDEO_RMS),
        "fused": (preset.fusion.joint, JOINT_RMS),
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
