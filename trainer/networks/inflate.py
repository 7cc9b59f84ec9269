"""Convolutions over pictures turned into convolutions over clips."""

from __future__ import annotations

from torch import Tensor

__all__ = ["inflate"]


def inflate(weight: Tensor, depth: int) -> Tensor:
    """Repeat a kernel along time and divide it, so that equal frames give what one of them gave.

    Carreira and Zisserman, "Quo Vadis, Action Recognition?" (CVPR 2017), section 2.4.

    Args:
        weight: of a convolution over pictures, [out, in, height, width].
        depth: frames that the new kernel covers, at least 1.

    Returns:
        The weight of a convolution over clips, [out, in, depth, height, width].

    Raises:
        ValueError: `weight` has not four dimensions, or `depth` is not positive.
    """
    if weight.ndim != 4 or depth < 1:
        raise ValueError(f"can't inflate a weight of shape {tuple(weight.shape)} to depth {depth}")
    return weight.unsqueeze(2).repeat(1, 1, depth, 1, 1) / depth
