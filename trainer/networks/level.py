"""The level of a segment taken out of it: a microphone's gain and a room's light are arbitrary."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ClipLevel", "SegmentLevel"]

_LEAST_DEVIATION = 0.1  # in nats; silence and steady tones stay small
_LEAST_CONTRAST = 8.0  # grey levels of 255; a covered camera's noise stays small


class SegmentLevel(nn.Module):
    """Each segment's log-Mel energies less their mean, divided by their deviation; deltas divided alike.

    The segment itself decides, so that nothing has to be remembered from one to the next. A gain, which adds the same
    to every static value, changes nothing.
    """

    def forward(self, mel: Tensor) -> Tensor:
        """[batch, 3, mel, time], static, delta, delta-delta, to the same."""
        static, deltas = mel[:, :1], mel[:, 1:]
        centred = static - static.mean((2, 3), keepdim=True)
        deviation = centred.square().mean((2, 3), keepdim=True).sqrt().clamp(min=_LEAST_DEVIATION)
        return torch.cat((centred, deltas), 1) / deviation


class ClipLevel(nn.Module):
    """Each clip's pixels less their mean over the whole clip, divided by their deviation: light and contrast go."""

    def forward(self, clip: Tensor) -> Tensor:
        """[batch, planes, frames, S, S], 0 to 255, to the same."""
        centred = clip - clip.mean((1, 2, 3, 4), keepdim=True)
        deviation = centred.square().mean((1, 2, 3, 4), keepdim=True).sqrt().clamp(min=_LEAST_CONTRAST)
        return centred / deviation
