from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from emostream.engines.settings import CROP_HEIGHT, CROP_WIDTH, MEL_BANDS
from emostream.trainer.networks.preprocessing import Resize

CROP = (CROP_HEIGHT, CROP_WIDTH)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("size", "side"), [(CROP, 48), (CROP, 112), (CROP, 200), ((MEL_BANDS, 64), 127), ((MEL_BANDS, 15), 227)]
)
def test_pictures_are_resized_as_pytorch_does(size: tuple[int, int], side: int) -> None:
    pictures = 255 * torch.rand(2, 3, *size)
    expected = functional.interpolate(pictures, size=(side, side), mode="bilinear", align_corners=False)
    found = Resize(size, side)(pictures)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("detail", [(50, 37), (50, 55), (150, 22), (7, 9)])
def test_detail_is_the_mean_of_areas_that_end_within_pixels(detail: tuple[int, int]) -> None:
    pictures = 255 * torch.rand(3, *CROP)
    # Each row, then each column, cut into as many parts as there are areas: an area is a whole number of parts.
    high, wide = detail
    rows = pictures.double().repeat_interleave(high, 1).unflatten(1, (high, -1)).mean(2)
    areas = rows.repeat_interleave(wide, 2).unflatten(2, (wide, -1)).mean(3)
    expected = functional.interpolate(areas[None], size=(48, 48), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(Resize(CROP, 48, detail)(pictures), expected.float(), rtol=1e-5, atol=1e-3)


def test_detail_equals_pytorchs_area_interpolation_where_sizes_divide() -> None:
    pictures = 255 * torch.rand(1, 2, *CROP)
    areas = functional.interpolate(pictures, size=(50, 22), mode="area")
    expected = functional.interpolate(areas, size=(48, 48), mode="bilinear", align_corners=False)
    torch.testing.assert_close(Resize(CROP, 48, (50, 22))(pictures), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("detail", [None, (50, 37)])
@pytest.mark.parametrize("side", [31, 48, 227])
def test_a_picture_of_one_grey_stays_it(side: int, detail: tuple[int, int] | None) -> None:
    found = Resize(CROP, side, detail)(torch.full((2, *CROP), 201.0))
    torch.testing.assert_close(found, torch.full((2, side, side), 201.0), rtol=1e-5, atol=0)


def test_a_sharp_picture_shows_no_more_than_one_of_low_resolution() -> None:
    resize = Resize(CROP, 48, (50, 22))
    sharp = 255 * torch.rand(4, *CROP)
    coarse = functional.avg_pool2d(sharp, (3, 5))
    blocks = coarse.repeat_interleave(3, 1).repeat_interleave(5, 2)
    assert not torch.allclose(sharp, blocks, atol=50)
    torch.testing.assert_close(resize(sharp), resize(blocks), rtol=1e-5, atol=1e-3)
    plain = Resize(CROP, 48)
    assert not torch.allclose(plain(sharp), plain(blocks), atol=50)


def test_leading_axes_are_kept_and_nothing_is_to_be_saved() -> None:
    resize = Resize(CROP, 20, (50, 37))
    assert resize(torch.rand(2, 1, 16, *CROP)).shape == (2, 1, 16, 20, 20)
    assert resize(torch.rand(*CROP)).shape == (20, 20)
    assert not resize.state_dict()
