from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from emostream.engines.frontend.logmel import mel_input
from emostream.engines.settings import SEGMENT_SAMPLES
from emostream.trainer.networks.preprocessing import ClipLevel, SegmentLevel


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def mels(count: int = 3) -> Tensor:
    return torch.randn(count, 3, 64, 64) * torch.tensor([4.0, 0.5, 0.25]).view(3, 1, 1) - 6.0


def clips(count: int = 3) -> Tensor:
    return 40 + 120 * torch.rand(count, 1, 16, 24, 24)


def test_a_microphones_gain_changes_nothing() -> None:
    given = mels()
    louder = given.clone()
    louder[:, 0] += torch.tensor([2.3, -5.0, 0.7]).view(3, 1, 1)  # in nats, another one for each segment
    torch.testing.assert_close(SegmentLevel()(louder), SegmentLevel()(given), rtol=1e-5, atol=1e-5)


def test_a_gain_of_the_sound_itself_changes_nothing(noise: np.ndarray) -> None:
    sound = noise[:SEGMENT_SAMPLES]
    soft, loud = (SegmentLevel()(torch.from_numpy(mel_input(sound * gain))[None]) for gain in (np.float32(0.1), 3))
    torch.testing.assert_close(soft, loud, rtol=1e-3, atol=1e-3)


def test_each_segments_static_energies_get_mean_0_and_deviation_1_and_deltas_are_divided_alike() -> None:
    given = mels()
    found = SegmentLevel()(given)
    assert found.shape == given.shape
    torch.testing.assert_close(found[:, 0].mean((1, 2)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(found[:, 0].std((1, 2), correction=0), torch.ones(3), rtol=1e-5, atol=0)
    deviation = given[:, :1].std((2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(found[:, 1:], given[:, 1:] / deviation)
    torch.testing.assert_close(SegmentLevel()(given[1:2]), found[1:2])  # the others in the batch don't matter


def test_silence_and_steady_sounds_stay_small_and_finite() -> None:
    silence = torch.from_numpy(mel_input(np.zeros(SEGMENT_SAMPLES, np.float32)))[None]
    steady = silence + 1e-3 * torch.randn_like(silence)
    found = SegmentLevel()(torch.cat([silence, steady]))
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], torch.zeros(3, 64, 64), rtol=0, atol=1e-3)
    assert float(found[1].abs().max()) < 0.1


def test_light_and_contrast_of_a_clip_change_nothing() -> None:
    given = clips()
    changed = given * torch.tensor([0.5, 0.8, 1.2]).view(3, 1, 1, 1, 1) + torch.tensor([60.0, -10, 3]).view(
        3, 1, 1, 1, 1
    )
    found = ClipLevel()(given)
    torch.testing.assert_close(ClipLevel()(changed), found, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.mean((1, 2, 3, 4)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.std((1, 2, 3, 4), correction=0), torch.ones(3), rtol=1e-5, atol=0)
    torch.testing.assert_close(ClipLevel()(given[1:2]), found[1:2])


def test_frames_of_a_clip_keep_their_differences_in_light() -> None:
    given = clips(1)
    given[:, :, 8:] += 30.0
    found = ClipLevel()(given)[0, 0].mean((1, 2))
    assert float(found[8:].min() - found[:8].max()) > 0.5


def test_a_covered_camera_stays_dark() -> None:
    black, noise = torch.zeros(1, 3, 16, 8, 8), 2 * torch.randn(1, 3, 16, 8, 8)
    assert not ClipLevel()(black).any()
    assert float(ClipLevel()(noise).std()) < 0.3
