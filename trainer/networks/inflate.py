"""Initial weights: random ones, and those of a network for pictures, inflated for clips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["he_weights", "inflate"]


def inflate(weight: Tensor, depth: int) -> Tensor:
    """Put a kernel in the middle frame of one for clips, and zeros into the others.

    "Central frame initialisation" of Arnab et al., "ViViT" (ICCV 2021), section 3.4. A clip of equal frames gives in
    every frame what the picture gave, at both ends too, where a kernel spread over time (Carreira and Zisserman, CVPR
    2017) meets the padding and loses a part.

    Args:
        weight: of a convolution over pictures, [out, in, height, width].
        depth: frames that the new kernel covers, odd.

    Returns:
        The weight of a convolution over clips, [out, in, depth, height, width].

    Raises:
        ValueError: `weight` has not four dimensions, or `depth` is not odd and positive.
    """
    if weight.ndim != 4 or depth < 1 or depth % 2 == 0:
        raise ValueError(f"can't inflate a weight of shape {tuple(weight.shape)} to depth {depth}")
    inflated = torch.zeros(*weight.shape[:2], depth, *weight.shape[2:], dtype=weight.dtype)
    inflated[:, :, depth // 2] = weight
    return inflated


def he_weights(network: nn.Module, generator: torch.Generator) -> None:
    """He's initialisation (He et al., ICCV 2015, equation 10): embeddings neither die nor explode with depth."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
