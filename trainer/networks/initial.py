"""Random initial weights."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["he_weights"]


def he_weights(network: nn.Module, generator: torch.Generator) -> None:
    """He's initialisation (He et al., ICCV 2015, equation 10): embeddings neither die nor explode with depth."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
