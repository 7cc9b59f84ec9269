"""Networks' inputs varied at random while they are trained on few segments."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["mix", "vary_clips", "vary_mels"]

# Inputs are standardised: 1 is one standard deviation.
_GAIN = 0.4
_SHIFTED = 3 / 64  # of the bands, at most
_STRETCHES, _MASKED = 2, 0.1  # of the bands, and of the time, at most
_LIGHT, _CONTRAST = 0.3, 0.2
_SHIFT = 0.04  # of the picture's side


def vary_mels(mel: Tensor) -> Tensor:
    """Another pitch and another microphone level, two bands and two stretches of time left out.

    SpecAugment (Park et al. 2019) with a shift along frequency.

    Args:
        mel: float32 [batch, 3, S, S], standardised.
    """
    batch, _, bands, frames = mel.shape
    places = torch.arange(bands, device=mel.device) - _whole(mel, batch, round(_SHIFTED * bands))
    varied = mel.gather(2, places.clamp(0, bands - 1)[:, None, :, None].expand_as(mel))
    varied[:, 0] += _signed(mel, batch, 1, 1) * _GAIN
    for _ in range(_STRETCHES):
        hidden = _stretch(batch, bands, mel)[:, None, :, None] | _stretch(batch, frames, mel)[:, None, None, :]
        varied = varied.masked_fill(hidden, 0.0)
    return varied


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


def mix(inputs: tuple[Tensor, ...], parameter: float) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """Each example blended with another one of its batch ("mixup").

    Args:
        inputs: [batch, ...] each.
        parameter: of the Beta distribution, above 0.

    Returns:
        The blends; which example is the other one, int64 [batch]; and the share of the example itself, float32
        [batch], at least a half.
    """
    batch, device = len(inputs[0]), inputs[0].device
    share = torch.distributions.Beta(parameter, parameter).sample((batch,)).to(device)
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(batch, device=device)

    def blend(x: Tensor) -> Tensor:
        own = share.reshape(-1, *[1] * (x.dim() - 1)).to(x.dtype)
        return own * x + (1 - own) * x[other]

    return tuple(map(blend, inputs)), other, share


def _signed(like: Tensor, *size: int) -> Tensor:
    return torch.rand(size, device=like.device) * 2 - 1


def _whole(like: Tensor, batch: int, most: int) -> Tensor:
    """A whole number between -most and most for each example, [batch, 1]."""
    return torch.randint(-most, most + 1, (batch, 1), device=like.device)


def _stretch(batch: int, length: int, like: Tensor) -> Tensor:
    """One random stretch of places for each example, bool [batch, length]."""
    sizes = torch.randint(0, round(_MASKED * length) + 1, (batch, 1), device=like.device)
    starts = (torch.rand(batch, 1, device=like.device) * (length - sizes + 1)).long()
    places = torch.arange(length, device=like.device)
    return (places >= starts) & (places < starts + sizes)
