"""C3D trained on Sports-1M, as it is published: three ways to name its layers, one way to see pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from emostream.trainer.networks.weight_files import Source

__all__ = ["FORMS", "PIXELS", "Pixels", "fit_colours", "form_of", "is_published"]


@dataclass(frozen=True, eq=False)
class Pixels:
    """What a network's pixels go through first.

    Attributes:
        mean: what they lose, [planes, 1, 1, 1], 0 to 255, RGB or grey.
        std: what they are divided by then.
    """

    mean: Tensor
    std: float


PIXELS = Pixels(torch.tensor((101.41, 97.66, 90.25)).view(3, 1, 1, 1), 1.0)
"""Sports-1M's: the mean cube of the original release averaged by channel, and no scale."""

_CLASSES = 487  # sports, the outputs of the published fc8
_DENSE = ("fc6", "fc7", "fc8")
_PLAIN = ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
_WRAPPED = ("conv1a", "conv2a", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
_PLACES = (0, 3, 6, 8, 11, 13, 16, 18)

FORMS: dict[str, dict[str, str]] = {
    "conv1, fc6": {name: name for name in (*_PLAIN, *_DENSE)},
    "features.0, classifier.0": {
        **{ours: f"features.{place}" for ours, place in zip(_PLAIN, _PLACES, strict=True)},
        **{ours: f"classifier.{place}" for ours, place in zip(_DENSE, (0, 3, 6), strict=True)},
    },
    "conv1a.conv, fc6": {
        **{ours: f"{theirs}.conv" for ours, theirs in zip(_PLAIN, _WRAPPED, strict=True)},
        **{name: name for name in _DENSE},
    },
}
"""The published forms, each called after its names: what it calls our layers. The first is our own, too."""

_OURS = next(iter(FORMS))


def form_of(names: Collection[str]) -> str | None:
    """The form that names most convolutions among those keys of a state dict; None when none names any."""
    found = {form: sum(f"{layers[ours]}.weight" in names for ours in _PLAIN) for form, layers in FORMS.items()}
    best = max(found, key=lambda form: found[form])
    return best if found[best] else None


def is_published(found: Mapping[str, Source], form: str) -> bool:
    """Whether weights, by our names, are of a published C3D, which sees BGR, rather than of one of ours.

    They are when they are 3-D, for three planes, and of a form that isn't ours or with 487 classes.
    """
    first, last = found.get("conv1.weight"), found.get("fc8.weight")
    if first is None or len(first.shape) != 5 or first.shape[1] != 3:
        return False
    return form != _OURS or (last is not None and last.shape[:1] == (_CLASSES,))


def fit_colours(
    weight: Source, bias: Source, pixels: Pixels | None, planes: int, bgr: bool
) -> tuple[Source, Source, Pixels | None]:
    """Let a first convolution for three planes see the pixels that we give.

    For BGR its input channels are reversed. For grey they are added up: a grey picture is one plane three times,
    so its response stays. Where the three planes lost different means, the difference to their common mean goes
    into the bias; the response then stays except in the outermost rows, columns and frames, since the zeros of the
    padding stand for the mean.

    Args:
        weight: its weight, [channels, 3, ...].
        bias: its bias, [channels].
        pixels: what its pixels go through, [3, 1, 1, 1], RGB; None when nobody knows.
        planes: planes that it is to see, 3 (RGB) or 1 (grey).
        bgr: whether its channels are BGR.

    Returns:
        Weight [channels, planes, ...], bias [channels], and what its pixels have to go through.
    """
    kernel, offset = weight.tensor, bias.tensor
    if bgr:
        kernel = kernel.flip(1)
    if planes == 1:
        if pixels is not None:
            grey = Pixels(pixels.mean.mean(0, keepdim=True), pixels.std)
            offset = offset + kernel.flatten(2).sum(2) @ (grey.mean - pixels.mean).flatten() / pixels.std
            pixels = grey
        kernel = kernel.sum(1, keepdim=True)
    return dataclasses.replace(weight, tensor=kernel), dataclasses.replace(bias, tensor=offset), pixels
