"""Graphs that belong to no bundle: of single crops, and of windows of another length than a segment's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C2D, C3D
from emostream.trainer.networks.graphs import AudioGraph, StillGraph, VideoGraph
from emostream.trainer.networks.inflate import he_weights
from emostream.trainer.networks.presets import COMPACT, VideoShape
from emostream.trainer.networks.weights import take_video_weights
from tests.trainer.corpora import TINY

PLAIN = replace(TINY.video, grey=False)
COARSE = replace(TINY.video, detail=(50, 37), level=True)
SHAPES = pytest.mark.parametrize("shape", [PLAIN, COARSE, COMPACT.video], ids=["colour", "coarse", "compact"])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def crops(count: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, 150, 110, 3), dtype=torch.uint8)


def pair(shape: VideoShape) -> tuple[StillGraph, VideoGraph]:
    """With the same statistics; the one for crops as after some training."""
    mean, std = (
        (torch.rand(shape.planes, 1, 1, 1), 0.75) if shape.level else (torch.full((shape.planes, 1, 1, 1), 99.0), 60.0)
    )
    stills = StillGraph(C2D(7, shape), shape, mean, std).eval()
    for module in stills.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.2, 1.5)
    return stills, VideoGraph(C3D(7, shape), shape, mean, std).eval()


@SHAPES
def test_a_crop_is_prepared_as_each_frame_of_a_clip_of_it(shape: VideoShape) -> None:
    stills, clips = pair(shape)
    given = crops()
    found = stills.prepare(given)
    expected = clips.prepare(given[:, None].expand(-1, 16, -1, -1, -1))
    assert found.shape == (3, shape.planes, shape.input_size, shape.input_size)
    for frame in range(16):
        torch.testing.assert_close(expected[:, :, frame], found, rtol=1e-5, atol=1e-5)
    assert [spec.name for spec in stills.inputs] == ["crop"]
    assert stills.inputs[0].shape == given.shape[1:]


@SHAPES
def test_an_inflated_graph_embeds_a_still_clip_as_its_crop(shape: VideoShape, tmp_path: Path) -> None:
    stills, clips = pair(shape)
    torch.save(stills.state_dict(), tmp_path / "stills.pt")
    report = take_video_weights(clips.network, tmp_path / "stills.pt")
    assert {row.done for row in report.rows if row.layer.startswith("conv")} == {"inflated"}
    torch.testing.assert_close(report.pixel_mean, stills.mean)
    assert report.pixel_std == stills.std
    clips.network.fc8.load_state_dict(stills.network.fc8.state_dict())
    given = crops()
    with torch.no_grad():
        expected, logits = stills(given), stills.logits(given)
        equal = given[:, None].expand(-1, 16, -1, -1, -1)
        assert float(expected.std()) > 0
        torch.testing.assert_close(clips(equal), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(clips.logits(equal), logits, rtol=1e-4, atol=1e-5)


def test_folding_a_graph_of_crops_changes_no_value() -> None:
    stills, _ = pair(COARSE)
    given = crops()
    with torch.no_grad():
        expected = stills(given)
        stills.fold()
        torch.testing.assert_close(stills(given), expected, rtol=1e-4, atol=1e-5)
    assert stills.std == 1.0
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in stills.modules())


@pytest.mark.parametrize("level", [False, True])
def test_a_graph_hears_windows_of_its_own_length(level: bool) -> None:
    shape = replace(TINY.audio, level=level)
    blank = torch.zeros(3, 1, 1)
    graph = AudioGraph(AlexNet(3, shape), shape, blank, blank + 1, frames=15).eval()
    assert graph.inputs[0].shape == (3, 64, 15)
    mel = torch.randn(2, 3, 64, 15)
    assert graph.prepare(mel).shape == (2, 3, shape.input_size, shape.input_size)
    assert graph(mel).shape == (2, shape.embedding)


def test_a_mirrored_network_takes_the_mean_of_both_views() -> None:
    shape = replace(PLAIN, mirrored=True)
    _, clips = pair(shape)
    he_weights(clips.network, torch.Generator().manual_seed(0))
    given = torch.randint(0, 256, (3, 16, 150, 110, 3), dtype=torch.uint8)
    given[:, :, :, :40] //= 8
    with torch.no_grad():
        found = clips(given)
        views = [clips.network.embed(clips.prepare(each)) for each in (given, given.flip(3))]
        torch.testing.assert_close(found, (views[0] + views[1]) / 2, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(clips(given.flip(3)), found, rtol=1e-4, atol=1e-5)
    assert float((views[0] - views[1]).abs().max()) > 1e-3
