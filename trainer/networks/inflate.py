"""Convolutions over pictures turned into convolutions over clips."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["inflate"]


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
