from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from emostream.trainer.training.augment import mix, vary_clips, vary_mels

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


def test_a_mel_moves_along_frequency_as_a_whole_and_loses_two_bands_and_two_stretches_of_time() -> None:
    inputs = torch.rand(40, 3, 63, 63) + 2.0  # so that nothing but what is hidden is near 0
    varied = vary_mels(inputs)
    hidden = varied == 0.0
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))  # the same in all three channels
    bands, frames = (hidden[:, 0].all(dim=axis) for axis in (2, 1))
    assert torch.equal(hidden[:, 0], bands[:, :, None] | frames[:, None, :])
    for places in (bands, frames):
        assert 6 < int(places.sum(1).max()) <= 12  # twice 10 % of 63
        assert int(places.sum(1).min()) < 3
        edges = places.int().diff(dim=1).abs().sum(1) + places[:, 0] + places[:, -1]
        assert int(edges.max()) == 4  # two stretches each, which may meet
        assert places.any(dim=0).float().mean() > 0.9  # anywhere
    assert not torch.equal(bands, frames)
    shifts, each = zip(*(_moved(mine, given) for mine, given in zip(varied, inputs, strict=True)), strict=True)
    assert set(shifts) == set(range(-3, 4))
    moved = torch.stack(each)
    level = varied[:, 0] - moved[:, 0]
    level[hidden[:, 0]] = torch.nan
    shift = level.flatten(1).nanmean(1)
    assert float(shift.abs().max()) <= 0.4
    assert float(shift.min()) < -0.2
    assert float(shift.max()) > 0.2
    torch.testing.assert_close(level, torch.where(hidden[:, 0], torch.nan, shift[:, None, None]), equal_nan=True)
    assert torch.equal(varied[:, 1:], moved[:, 1:].masked_fill(hidden[:, 1:], 0.0))  # a louder voice has equal deltas


def _moved(mine: Tensor, given: Tensor) -> tuple[int, Tensor]:
    """By how many bands the deltas were moved, and the mel [3, 63, 63] moved so; its outermost band repeats."""
    bands = torch.arange(63)
    tried = [(by, given[:, (bands - by).clamp(0, 62)]) for by in range(-4, 5)]
    (found,) = [each for each in tried if torch.equal(mine[1:], each[1][1:].masked_fill(mine[1:] == 0.0, 0.0))]
    return found


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


@pytest.mark.parametrize("parameter", [0.2, 1.0])
def test_mixing_blends_each_example_with_another_and_mostly_shows_itself(parameter: float) -> None:
    mels, clips = torch.randn(200, 3, 5, 5), torch.randn(200, 7)
    before = mels.clone(), clips.clone()
    (mixed_mels, mixed_clips), other, share = mix((mels, clips), parameter)
    assert torch.equal(mels, before[0])
    assert torch.equal(clips, before[1])
    assert (other.dtype, share.dtype, tuple(share.shape)) == (torch.int64, torch.float32, (200,))
    assert torch.equal(other.sort().values, torch.arange(200))
    assert 0.5 <= float(share.min()) < 0.55
    assert 0.98 < float(share.max()) <= 1.0
    expected = 0.9 if parameter == 0.2 else 0.75  # the mean of the larger part
    assert float(share.mean()) == pytest.approx(expected, abs=0.04)
    for mixed, given in ((mixed_mels, mels), (mixed_clips, clips)):
        for at in range(200):
            blend = share[at] * given[at] + (1 - share[at]) * given[other[at]]
            torch.testing.assert_close(mixed[at], blend, rtol=0, atol=1e-6)


def test_mixing_depends_on_the_seed_alone_and_keeps_the_type() -> None:
    inputs = torch.randn(8, 3).to(torch.bfloat16)
    torch.manual_seed(1)
    (first,), *_ = mix((inputs,), 0.3)
    (second,), *_ = mix((inputs,), 0.3)
    torch.manual_seed(1)
    (again,), *_ = mix((inputs,), 0.3)
    assert first.dtype == torch.bfloat16
    assert torch.equal(again, first)
    assert not torch.equal(second, first)
