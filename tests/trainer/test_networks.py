from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from emostream.engines.errors import ConfigError
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.fusion import DBN, FC, FusionNetwork
from emostream.trainer.networks.presets import COMPACT, PAPER, PRESETS, FusionShape, Preset

# torchvision.models.alexnet().state_dict(), as published.
TORCHVISION_ALEXNET = {
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
    "classifier.1": (4096, 9216),
    "classifier.4": (4096, 4096),
    "classifier.6": (1000, 4096),
}
# The public Sports-1M weights of C3D.
SPORTS1M_C3D = {
    "conv1": (64, 3, 3, 3, 3),
    "conv2": (128, 64, 3, 3, 3),
    "conv3a": (256, 128, 3, 3, 3),
    "conv3b": (256, 256, 3, 3, 3),
    "conv4a": (512, 256, 3, 3, 3),
    "conv4b": (512, 512, 3, 3, 3),
    "conv5a": (512, 512, 3, 3, 3),
    "conv5b": (512, 512, 3, 3, 3),
    "fc6": (4096, 8192),
    "fc7": (4096, 4096),
    "fc8": (487, 4096),
}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def weights(network: nn.Module) -> dict[str, tuple[int, ...]]:
    state = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert {name.removesuffix(".bias") for name in state if name.endswith(".bias")} <= {
        name.removesuffix(".weight") for name in state
    }
    return {name.removesuffix(".weight"): shape for name, shape in state.items() if name.endswith(".weight")}


def gmacs(network: nn.Module, *inputs: Tensor) -> float:
    with FlopCounterMode(display=False) as counter:
        network.eval()(*inputs)
    return counter.get_total_flops() / 2e9


def shake_norms(network: nn.Module) -> None:
    """Statistics as after some training: a fresh batch normalisation is nearly the identity."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.2, 1.5)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_alexnet_has_the_published_weights_of_torchvision() -> None:
    with torch.device("meta"):
        network = AlexNet(1000)
    assert parameters(network) == 61_100_840
    assert weights(network) == TORCHVISION_ALEXNET
    assert len(network.state_dict()) == 2 * len(TORCHVISION_ALEXNET)


def test_c3d_has_the_published_weights_of_sports_1m() -> None:
    with torch.device("meta"):
        network = C3D(487)
    assert parameters(network) == 79_991_015
    assert weights(network) == SPORTS1M_C3D
    assert len(network.state_dict()) == 2 * len(SPORTS1M_C3D)


@pytest.mark.parametrize("kind", [DBN, FC])
@pytest.mark.parametrize(
    ("depth", "widths", "expected"),
    [
        (1, {"layers.0": (4096, 8192), "output": (6, 4096)}, 33_583_110),
        (2, {"layers.0": (4096, 8192), "layers.1": (2048, 4096), "output": (6, 2048)}, 41_961_478),
        (
            3,
            {"layers.0": (4096, 8192), "layers.1": (2048, 4096), "layers.2": (1024, 2048), "output": (6, 1024)},
            44_053_510,
        ),
    ],
)
def test_fusion_networks_have_the_structures_of_table_x(
    kind: type[FusionNetwork], depth: int, widths: dict[str, tuple[int, int]], expected: int
) -> None:
    with torch.device("meta"):
        network = kind(6, 4096, 4096, PAPER.fusion.at_depth(depth))
    assert weights(network) == widths
    assert parameters(network) == expected
    assert {"scaling.offset", "scaling.scale"} <= set(network.state_dict())


def test_two_hidden_layers_are_the_default() -> None:
    assert PAPER.fusion.at_depth(2) == PAPER.fusion
    assert PAPER.fusion.at_depth(3).at_depth(1) == PAPER.fusion.at_depth(1)
    assert [COMPACT.fusion.at_depth(depth).widths for depth in (1, 2, 3)] == [(512,), (512, 256), (512, 256, 128)]


@pytest.mark.parametrize(("shape", "depth"), [(PAPER.fusion, 0), (PAPER.fusion, 4), (PAPER.fusion.at_depth(1), 2)])
def test_depths_without_a_structure_are_refused(shape: FusionShape, depth: int) -> None:
    with pytest.raises(ConfigError, match=f"with {depth} hidden layers: expected 1 to .* of widths 4096"):
        shape.at_depth(depth)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_logits_and_embeddings_have_the_sizes_of_the_preset(preset: Preset) -> None:
    audio, video = preset.audio, preset.video
    with torch.device("meta"):
        alexnet, c3d = AlexNet(6, audio), C3D(6, video)
        dbn = DBN(6, audio.embedding, video.embedding, preset.fusion)
        mel = torch.empty(2, 3, audio.input_size, audio.input_size)
        clip = torch.empty(2, video.planes, 16, video.input_size, video.input_size)
        pair = torch.empty(2, audio.embedding), torch.empty(2, video.embedding)
    assert alexnet(mel).shape == c3d(clip).shape == dbn(*pair).shape == (2, 6)
    assert alexnet.embed(mel).shape == (2, audio.embedding)
    assert c3d.embed(clip).shape == (2, video.embedding)
    assert dbn.embed(*pair).shape == (2, preset.fusion.joint)


def test_paper_costs_what_is_published() -> None:
    """torchvision lists AlexNet at 0.71 GMAC (224 x 224); C3D is known for 38.5 a clip."""
    with torch.device("meta"):
        assert gmacs(AlexNet(1000), torch.empty(1, 3, 224, 224)) == pytest.approx(0.71, abs=0.005)
        assert gmacs(C3D(487), torch.empty(1, 3, 16, 112, 112)) == pytest.approx(38.5, abs=0.1)


def test_compact_runs_on_a_laptop() -> None:
    audio, video, fusion = COMPACT.audio, COMPACT.video, COMPACT.fusion
    with torch.device("meta"):
        alexnet, c3d = AlexNet(6, audio), C3D(6, video)
        dbn = DBN(6, audio.embedding, video.embedding, fusion)
        assert gmacs(alexnet, torch.empty(1, 3, audio.input_size, audio.input_size)) <= 0.15
        assert gmacs(c3d, torch.empty(1, 1, 16, video.input_size, video.input_size)) <= 1.0
    assert sum(map(parameters, (alexnet, c3d, dbn))) * 2 < 15e6  # DESIGN section 4


def test_alexnet_computes_what_its_description_says() -> None:
    network = AlexNet(6, replace(COMPACT.audio, batch_norm=False)).eval()
    state = network.state_dict()
    picture = torch.randn(2, 3, 127, 127)

    def layer(name: str) -> tuple[Tensor, Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    x = functional.max_pool2d(
        functional.relu(functional.conv2d(picture, *layer("features.0"), stride=4, padding=2)), 3, 2
    )
    x = functional.max_pool2d(functional.relu(functional.conv2d(x, *layer("features.3"), padding=2)), 3, 2)
    for name in ("features.6", "features.8", "features.10"):
        x = functional.relu(functional.conv2d(x, *layer(name), padding=1))
    x = functional.max_pool2d(x, 3, 2).flatten(1)
    embedding = functional.relu(
        functional.linear(functional.relu(functional.linear(x, *layer("classifier.1"))), *layer("classifier.4"))
    )
    torch.testing.assert_close(network.embed(picture), embedding)
    torch.testing.assert_close(network(picture), functional.linear(embedding, *layer("classifier.6")))


def test_c3d_computes_what_its_description_says() -> None:
    network = C3D(6, replace(COMPACT.video, batch_norm=False)).eval()
    state = network.state_dict()
    clip = torch.randn(2, 1, 16, COMPACT.video.input_size, COMPACT.video.input_size)

    def layer(name: str) -> tuple[Tensor, Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    def convolve(x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = functional.relu(functional.conv3d(x, *layer(name), padding=1))
        return x

    x = functional.max_pool3d(convolve(clip, "conv1"), (1, 2, 2), (1, 2, 2))
    for names in (("conv2",), ("conv3a", "conv3b"), ("conv4a", "conv4b")):
        x = functional.max_pool3d(convolve(x, *names), 2, 2)
    x = functional.max_pool3d(convolve(x, "conv5a", "conv5b"), 2, 2, padding=(0, 1, 1)).flatten(1)
    embedding = functional.relu(functional.linear(functional.relu(functional.linear(x, *layer("fc6"))), *layer("fc7")))
    torch.testing.assert_close(network.embed(clip), embedding)
    torch.testing.assert_close(network(clip), functional.linear(embedding, *layer("fc8")))


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_folding_batch_norm_changes_no_value_and_leaves_the_names_of_the_paper(kind: str) -> None:
    if kind == "audio":
        network, plain = AlexNet(6, COMPACT.audio), AlexNet(6, replace(COMPACT.audio, batch_norm=False))
        x = torch.randn(2, 3, 127, 127)
    else:
        network, plain = C3D(6, COMPACT.video), C3D(6, replace(COMPACT.video, batch_norm=False))
        x = torch.randn(2, 1, 16, COMPACT.video.input_size, COMPACT.video.input_size)
    shake_norms(network)
    assert set(plain.state_dict()) < set(network.state_dict())
    expected = network.eval().embed(x).detach()
    network.fold()
    torch.testing.assert_close(network.embed(x), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert weights(network) == weights(plain)
    assert set(plain.state_dict()) == set(network.state_dict())


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
@pytest.mark.parametrize("kind", [DBN, FC])
def test_inputs_are_scaled_by_the_training_fold(kind: type[FusionNetwork], scaling: str) -> None:
    fold, unseen = torch.randn(50, 12) * 3 + 1, torch.randn(20, 12) * 9
    fold[:, 4], unseen[:, 4] = 0.7, 0.7
    network = kind(3, 5, 7, replace(PAPER.fusion, widths=(8, 4), scaling=scaling))
    network.fit_scaling(fold[:, :5], fold[:, 5:])
    lowest, highest, scaler = (0, 1, MinMaxScaler()) if scaling == "minmax" else (-5, 5, StandardScaler())
    expected = scaler.fit(fold.numpy()).transform(unseen.numpy())
    assert expected.min() < lowest
    assert expected.max() > highest
    expected = expected.clip(lowest, highest)
    np.testing.assert_allclose(network.visible(unseen[:, :5], unseen[:, 5:]), expected, atol=1e-5)


def test_dbn_gives_nothing_for_units_that_were_constant_in_training() -> None:
    network = DBN(3, 1, 1, replace(PAPER.fusion, widths=(8, 4)))
    network.fit_scaling(torch.zeros(9, 1), torch.rand(9, 1))
    assert network.visible(torch.tensor([[5.0]]), torch.tensor([[0.5]]))[0, 0] == 0.0


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("kind", [DBN, FC])
def test_fusion_networks_are_stacks_of_their_activation(kind: type[FusionNetwork], depth: int) -> None:
    network = kind(3, 5, 7, replace(PAPER.fusion, widths=(8, 4), third=6).at_depth(depth)).eval()
    pair = torch.rand(2, 5), torch.rand(2, 7)
    state = {name: value.double().numpy() for name, value in network.state_dict().items()}
    x = np.concatenate([half.double().numpy() for half in pair], axis=1)
    for place in range(depth):
        x = x @ state[f"layers.{place}.weight"].T + state[f"layers.{place}.bias"]
        x = 1 / (1 + np.exp(-x)) if kind is DBN else np.maximum(x, 0)
    np.testing.assert_allclose(network.embed(*pair).detach(), x, rtol=1e-5, atol=1e-6)
    logits = x @ state["output.weight"].T + state["output.bias"]
    np.testing.assert_allclose(network(*pair).detach(), logits, rtol=1e-4, atol=1e-6)


def test_statistics_of_another_shape_are_refused() -> None:
    network = DBN(3, 5, 7, replace(PAPER.fusion, widths=(8, 4)))
    with pytest.raises(ValueError, match=r"\(11,\)"):
        network.fit_scaling(torch.zeros(9, 5), torch.zeros(9, 6))


def test_dropout_comes_before_the_softmax_only() -> None:
    network = DBN(3, 5, 7, replace(PAPER.fusion, widths=(8, 4))).train()
    pair = torch.rand(64, 5), torch.rand(64, 7)
    torch.testing.assert_close(network.embed(*pair), network.eval().embed(*pair))
    kept = network.embed(*pair) / (1 - PAPER.fusion.dropout)
    seen: list[Tensor] = []
    network.output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.train()(*pair)
    (dropped,) = seen
    assert 0.1 < float((dropped == 0).float().mean()) < 0.5
    torch.testing.assert_close(dropped, torch.where(dropped == 0, 0.0, kept))


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
def test_a_unit_almost_constant_in_training_cannot_drown_the_others(scaling: str) -> None:
    network = DBN(3, 1, 1, replace(PAPER.fusion, widths=(8, 4), scaling=scaling))
    hardly = torch.zeros(1000, 1)
    hardly[0] = 1e-3
    network.fit_scaling(hardly, torch.rand(1000, 1))
    assert float(network.visible(torch.tensor([[9.0]]), torch.tensor([[0.5]])).abs().max()) <= 5.0


def test_initial_weights_are_those_of_glorot_and_of_he() -> None:
    shape = replace(PAPER.fusion, widths=(512, 256))
    for kind in (DBN, FC):
        for layer in kind(6, 300, 212, shape).layers:
            total = layer.in_features + layer.out_features
            spread = 4 * (2 / total) ** 0.5 if kind is DBN else (2 / layer.in_features) ** 0.5
            assert float(layer.weight.detach().std()) == pytest.approx(spread, rel=0.02)
            assert not layer.bias.any()
