"""Networks' inputs varied at random while they are trained on few segments."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["vary_clips", "vary_mels"]

# Inputs are standardised: 1 is one standard deviation.
_GAIN = 0.4
_MASKED = 0.15  # of the bands, and of the time, at most
_LIGHT, _CONTRAST = 0.3, 0.2
_SHIFT = 0.04  # of the picture's side


def vary_mels(mel: Tensor) -> Tensor:
    """Other microphone levels, and a band and a stretch of time left out (SpecAugment, Park et al. 2019).

    Args:
        mel: float32 [batch, 3, S, S], standardised.
    """
    batch, _, bands, frames = mel.shape
    varied = mel.clone()
    varied[:, 0] += _signed(mel, batch, 1, 1) * _GAIN
    hidden = _stretch(batch, bands, mel)[:, None, :, None] | _stretch(batch, frames, mel)[:, None, None, :]
    return varied.masked_fill(hidden, 0.0)


def vary_clips(clip: Tensor) -> Tensor:
    """Mirrored, shifted, lighter or darker, flatter or sharper; one way for all frames of a clip.

    Args:
        clip: float32 [batch, planes, 16, S, S], standardised.
    """
    batch, _, _, side, _ = clip.shape
    mirrored = torch.rand(batch, 1, 1, 1, 1, device=clip.device) < 0.5
    varied = torch.where(mirrored, clip.flip(4), clip)
    varied = varied * (1 + _signed(clip, batch, 1, 1, 1, 1) * _CONTRAST) + _signed(clip, batch, 1, 1, 1, 1) * _LIGHT
    reach = round(_SHIFT * side)
    padded = functional.pad(varied.flatten(1, 2), (reach,) * 4, mode="replicate")
    across, down = torch.randint(0, 2 * reach + 1, (2, batch)).tolist()
    shifted = [one[:, y : y + side, x : x + side] for one, x, y in zip(padded, across, down, strict=True)]
    return torch.stack(shifted).reshape(clip.shape)


def _signed(like: Tensor, *size: int) -> Tensor:
    return torch.rand(size, device=like.device) * 2 - 1


def _stretch(batch: int, length: int, like: Tensor) -> Tensor:
    """One random stretch of places for each example, bool [batch, length]."""
    sizes = torch.randint(0, round(_MASKED * length) + 1, (batch, 1), device=like.device)
    starts = (torch.rand(batch, 1, device=like.device) * (length - sizes + 1)).long()
    places = torch.arange(length, device=like.device)
    return (places >= starts) & (places < starts + sizes)
