from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from trainer.training.augment import vary_clips, vary_mels

Vary = Callable[[Tensor], Tensor]
MEL, CLIP = (12, 3, 63, 63), (12, 1, 16, 50, 50)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(4)


@pytest.mark.parametrize(("vary", "shape"), [(vary_mels, MEL), (vary_clips, CLIP), (vary_clips, (2, 3, 16, 9, 9))])
def test_shapes_stay_inputs_are_left_alone_and_seeds_decide(vary: Vary, shape: tuple[int, ...]) -> None:
    inputs = torch.randn(shape)
    before = inputs.clone()
    torch.manual_seed(1)
    first, other = vary(inputs), vary(inputs)
    torch.manual_seed(1)
    assert torch.equal(vary(inputs), first)
    assert not torch.equal(other, first)
    assert first.shape == shape
    assert first.dtype == torch.float32
    assert torch.equal(inputs, before)
    assert first.isfinite().all()
    assert all(not torch.equal(mine, given) for mine, given in zip(first, inputs, strict=True))


def test_a_mel_keeps_its_differences_and_loses_a_band_and_a_stretch_of_time() -> None:
    inputs = torch.rand(40, 3, 63, 63) + 2.0  # so that nothing but what is hidden is near 0
    varied = vary_mels(inputs)
    hidden = varied == 0.0
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))  # the same in all three channels
    bands, frames = (hidden[:, 0].all(dim=axis) for axis in (2, 1))
    assert torch.equal(hidden[:, 0], bands[:, :, None] | frames[:, None, :])
    for places in (bands, frames):
        assert int(places.sum(1).max()) <= 9  # 15 % of 63
        assert int(places.sum(1).min()) < 3
        edges = places.int().diff(dim=1).abs().sum(1) + places[:, 0] + places[:, -1]
        assert int(edges.max()) == 2  # one stretch each
        assert places.any(dim=0).float().mean() > 0.9  # anywhere
    assert not torch.equal(bands, frames)
    level = varied[:, 0] - inputs[:, 0]
    level[hidden[:, 0]] = torch.nan
    shift = level.flatten(1).nanmean(1)
    assert float(shift.abs().max()) <= 0.4
    assert float(shift.min()) < -0.2
    assert float(shift.max()) > 0.2
    torch.testing.assert_close(level, torch.where(hidden[:, 0], torch.nan, shift[:, None, None]), equal_nan=True)
    assert torch.equal(varied[:, 1:], inputs[:, 1:].masked_fill(hidden[:, 1:], 0.0))  # a louder voice has equal deltas


def test_a_clip_is_mirrored_shifted_and_lit_as_a_whole() -> None:
    picture = torch.randn(40, 2, 1, 50, 50)
    moving = picture + torch.arange(16.0).reshape(1, 1, 16, 1, 1)
    varied = vary_clips(moving)
    found: set[tuple[bool, int, int]] = set()
    for mine, given in zip(varied, moving, strict=True):
        contrast = (mine[:, 1:] - mine[:, :-1]).mean()
        assert 0.8 <= float(contrast) <= 1.2  # frames were 1 apart
        torch.testing.assert_close(mine[:, 1:] - mine[:, :-1], contrast.expand(2, 15, 50, 50), atol=1e-4, rtol=0)
        how = [
            (mirrored, across, down)
            for mirrored in (False, True)
            for across in range(-2, 3)
            for down in range(-2, 3)
            if _fits(mine, given.flip(3) if mirrored else given, contrast, across, down)
        ]
        assert len(how) == 1
        found.add(how[0])
    assert {mirrored for mirrored, _, _ in found} == {False, True}
    assert {across for _, across, _ in found} == {down for _, _, down in found} == {-2, -1, 0, 1, 2}


def _fits(mine: Tensor, given: Tensor, contrast: Tensor, across: int, down: int) -> bool:
    """Whether a clip [planes, 16, 50, 50] is another one times the contrast plus some light, shifted."""
    inner = mine[..., 2:-2, 2:-2]
    light = inner - given[..., 2 + down : 48 + down, 2 + across : 48 + across] * contrast
    return float(light.std()) < 1e-3 and float(light.mean().abs()) <= 0.3
