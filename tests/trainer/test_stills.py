"""The twin of C3D for single pictures, and what holds after it was inflated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostream.trainer.networks.c3d import C2D, C3D
from emostream.trainer.networks.presets import COMPACT, PRESETS, Preset, VideoShape
from emostream.trainer.networks.weights import take_video_weights

SMALL = VideoShape(
    input_size=48, grey=False, channels=(4, 5, 6, 7, 8), hidden=18, embedding=12, batch_norm=False, dropout=0.5
)
CONVOLUTIONS = ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pair(shape: VideoShape, tmp_path: Path) -> tuple[C2D, C3D]:
    """A network for pictures as after some training, and the C3D that it was inflated to."""
    stills = C2D(7, shape).eval()
    for module in stills.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.2, 1.5)
    torch.save(stills.state_dict(), tmp_path / "stills.pth")
    clips = C3D(6, shape).eval()
    report = take_video_weights(clips, tmp_path / "stills.pth")
    rows = {row.layer: row.done for row in report.rows}
    assert {rows[name] for name in CONVOLUTIONS} == {"inflated"}
    assert {done for layer, done in rows.items() if layer not in CONVOLUTIONS and layer != "fc8"} == {"taken"}
    assert report.pixel_mean is None
    return stills, clips


def convolved(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What each convolution gives."""
    found: dict[str, Tensor] = {}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: found.update({name: output})
        )
        for name in CONVOLUTIONS
    ]
    with torch.no_grad():
        network.embed(x)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_twin_has_the_layers_of_c3d_without_time(preset: Preset) -> None:
    shape = preset.video
    with torch.device("meta"):
        stills, clips = C2D(7, shape), C3D(7, shape)
        pictures = torch.empty(2, shape.planes, shape.input_size, shape.input_size)
    expected = {name: tuple(value.shape) for name, value in clips.state_dict().items()}
    without_time = {name: size[:2] + size[3:] if len(size) == 5 else size for name, size in expected.items()}
    assert {name: tuple(value.shape) for name, value in stills.state_dict().items()} == without_time
    assert stills(pictures).shape == (2, 7)
    assert stills.embed(pictures).shape == (2, shape.embedding)


def test_the_twin_computes_what_its_description_says() -> None:
    network = C2D(7, replace(COMPACT.video, batch_norm=False)).eval()
    state = network.state_dict()
    x = pictures = torch.randn(2, 1, COMPACT.video.input_size, COMPACT.video.input_size)

    def layer(name: str) -> tuple[Tensor, Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    for names in (("conv1",), ("conv2",), ("conv3a", "conv3b"), ("conv4a", "conv4b"), ("conv5a", "conv5b")):
        for name in names:
            x = functional.relu(functional.conv2d(x, *layer(name), padding=1))
        x = functional.max_pool2d(x, 2, 2, padding=1 if "conv5a" in names else 0)
    embedding = functional.relu(
        functional.linear(functional.relu(functional.linear(x.flatten(1), *layer("fc6"))), *layer("fc7"))
    )
    torch.testing.assert_close(network.embed(pictures), embedding)
    torch.testing.assert_close(network(pictures), functional.linear(embedding, *layer("fc8")))


@pytest.mark.parametrize("shape", [SMALL, replace(SMALL, batch_norm=True, grey=True)], ids=["plain", "normed"])
def test_equal_frames_give_what_the_picture_gives(shape: VideoShape, tmp_path: Path) -> None:
    stills, clips = pair(shape, tmp_path)
    pictures = torch.randn(2, shape.planes, 48, 48)
    equal = pictures.unsqueeze(2).expand(-1, -1, 16, -1, -1)
    flat, deep = convolved(stills, pictures), convolved(clips, equal)
    for name in CONVOLUTIONS:
        torch.testing.assert_close(deep[name], flat[name].unsqueeze(2).expand_as(deep[name]), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        expected = stills.embed(pictures)
        assert float(expected.abs().max()) > 0
        torch.testing.assert_close(clips.embed(equal), expected, rtol=1e-4, atol=1e-5)


def test_folding_batch_norm_changes_no_value() -> None:
    shape = replace(SMALL, batch_norm=True)
    network = C2D(7, shape)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.2, 1.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
    pictures = torch.randn(2, 3, 48, 48)
    expected = network.eval()(pictures).detach()
    network.fold()
    torch.testing.assert_close(network(pictures), expected, rtol=1e-4, atol=1e-5)
    assert set(network.state_dict()) == set(C2D(7, SMALL).state_dict())
