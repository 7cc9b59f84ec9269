"""Initial weights: each public form against a reference network built by hand, and everything that can be wrong."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostream.engines.errors import ConfigError
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.graphs import AudioGraph, VideoGraph
from emostream.trainer.networks.inflate import inflate
from emostream.trainer.networks.presets import COMPACT, PAPER, AudioShape, VideoShape
from emostream.trainer.networks.weight_report import WeightReport
from emostream.trainer.networks.weights import take_audio_weights, take_video_weights

SMALL = VideoShape(
    input_size=32, grey=False, channels=(4, 5, 6, 7, 8), hidden=18, embedding=12, batch_norm=False, dropout=0.5
)
SMALL_AUDIO = AudioShape(
    input_size=127, channels=(4, 5, 6, 7, 8), pooled=3, hidden=18, embedding=12, batch_norm=False, dropout=0.5
)
CONVOLUTIONS = ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
State = dict[str, Tensor]


class Plain(nn.Module):
    """`conv1` to `fc8`, the names of the first port from Caffe."""

    def __init__(self, channels: tuple[int, ...], side: int, hidden: int, embedding: int) -> None:
        super().__init__()
        planes = 3
        for name, size in zip(CONVOLUTIONS, (channels[i] for i in (0, 1, 2, 2, 3, 3, 4, 4)), strict=True):
            self.add_module(name, nn.Conv3d(planes, size, kernel_size=(3, 3, 3), padding=(1, 1, 1)))
            planes = size
        self.fc6 = nn.Linear(planes * side * side, hidden)
        self.fc7 = nn.Linear(hidden, embedding)
        self.fc8 = nn.Linear(embedding, 487)

    def forward(self, x: Tensor) -> Tensor:
        convolution = dict(self.named_children())
        for name in CONVOLUTIONS:
            x = torch.relu(convolution[name](x))
            if name == "conv1":
                x = functional.max_pool3d(x, kernel_size=(1, 2, 2), stride=(1, 2, 2))
            elif name in ("conv2", "conv3b", "conv4b"):
                x = functional.max_pool3d(x, kernel_size=(2, 2, 2), stride=(2, 2, 2))
        x = functional.max_pool3d(x, kernel_size=(2, 2, 2), stride=(2, 2, 2), padding=(0, 1, 1))
        return torch.relu(self.fc7(torch.relu(self.fc6(x.view(len(x), -1)))))


class Numbered(nn.Module):
    """`features.0` to `classifier.6`: the layers counted through."""

    def __init__(self, channels: tuple[int, ...], side: int, hidden: int, embedding: int) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = channels

        def convolution(planes: int, size: int) -> tuple[nn.Module, nn.Module]:
            return nn.Conv3d(planes, size, kernel_size=(3, 3, 3), padding=(1, 1, 1)), nn.ReLU()

        self.features = nn.Sequential(
            *convolution(3, c1),
            nn.MaxPool3d((1, 2, 2), (1, 2, 2)),
            *convolution(c1, c2),
            nn.MaxPool3d((2, 2, 2), (2, 2, 2)),
            *convolution(c2, c3),
            *convolution(c3, c3),
            nn.MaxPool3d((2, 2, 2), (2, 2, 2)),
            *convolution(c3, c4),
            *convolution(c4, c4),
            nn.MaxPool3d((2, 2, 2), (2, 2, 2)),
            *convolution(c4, c5),
            *convolution(c5, c5),
            nn.MaxPool3d((2, 2, 2), (2, 2, 2), padding=(0, 1, 1)),
        )
        self.classifier = nn.Sequential(
            nn.Linear(c5 * side * side, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, embedding),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(embedding, 487),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier[:5](self.features(x).flatten(1))


class Wrapped(nn.Module):
    """`conv1a.conv` to `fc7`: mmaction's backbone, whose convolutions come with their activation in one module."""

    def __init__(self, channels: tuple[int, ...], side: int, hidden: int, embedding: int) -> None:
        super().__init__()
        planes = 3
        for name, size in zip(CONVOLUTIONS, (channels[i] for i in (0, 1, 2, 2, 3, 3, 4, 4)), strict=True):
            module = nn.Sequential()
            module.add_module("conv", nn.Conv3d(planes, size, (3, 3, 3), padding=(1, 1, 1)))
            module.add_module("activate", nn.ReLU())
            self.add_module(f"{name}a" if name in ("conv1", "conv2") else name, module)
            planes = size
        self.fc6 = nn.Linear(planes * side * side, hidden)
        self.fc7 = nn.Linear(hidden, embedding)

    def forward(self, x: Tensor) -> Tensor:
        part = dict(self.named_children())
        x = nn.MaxPool3d((1, 2, 2), (1, 2, 2))(part["conv1a"](x))
        x = nn.MaxPool3d((2, 2, 2), (2, 2, 2))(part["conv2a"](x))
        x = nn.MaxPool3d((2, 2, 2), (2, 2, 2))(part["conv3b"](part["conv3a"](x)))
        x = nn.MaxPool3d((2, 2, 2), (2, 2, 2))(part["conv4b"](part["conv4a"](x)))
        x = nn.MaxPool3d((2, 2, 2), (2, 2, 2), padding=(0, 1, 1))(part["conv5b"](part["conv5a"](x)))
        return self.fc7(self.fc6(x.flatten(start_dim=1)).relu()).relu()


class Torchvision(nn.Module):
    """torchvision's AlexNet."""

    def __init__(self, channels: tuple[int, ...], pooled: int, hidden: int, embedding: int) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.features = nn.Sequential(
            nn.Conv2d(3, c1, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(c1, c2, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c3, c4, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c4, c5, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(c5 * pooled * pooled, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, embedding),
            nn.ReLU(inplace=True),
            nn.Linear(embedding, 1000),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier[:6](self.avgpool(self.features(x)).flatten(1))


FORMS = {"plain": Plain, "numbered": Numbered, "wrapped": Wrapped}
LATER = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "module.": lambda state: {f"module.{key}": value for key, value in state.items()},
    "module.backbone.": lambda state: {
        "state_dict": {f"module.backbone.{key}": value for key, value in state.items()}
        | {"module.cls_head.fc_cls.weight": torch.zeros(101, 12)}
    },
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def small(form: str) -> nn.Module:
    return FORMS[form](SMALL.channels, 2, SMALL.hidden, SMALL.embedding).eval()


def small_alexnet() -> Torchvision:
    shape = SMALL_AUDIO
    return Torchvision(shape.channels, shape.pooled, shape.hidden, shape.embedding).eval()


def saved(tmp_path: Path, content: object) -> Path:
    torch.save(content, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def clips() -> Tensor:
    """Saturated colours, so that red and blue can't be taken for each other."""
    clip = torch.randint(0, 256, (2, 16, 150, 110, 3))
    clip[..., 0] //= 4
    return clip.to(torch.uint8)


def resized(clip: Tensor, size: int) -> Tensor:
    """RGB, 0 to 255, [batch, 3, 16, size, size]."""
    frames = clip.float().permute(0, 1, 4, 2, 3).flatten(0, 1)
    frames = functional.interpolate(frames, size=(size, size), mode="bilinear", align_corners=False)
    return frames.unflatten(0, (-1, 16)).transpose(1, 2)


def as_published(clip: Tensor, size: int) -> Tensor:
    """What the networks trained on Sports-1M see: BGR less its mean."""
    mean = torch.tensor([90.25, 97.66, 101.41]).view(1, 3, 1, 1, 1)
    return resized(clip, size)[:, [2, 1, 0]] - mean


def done(report: WeightReport) -> dict[str, str]:
    return {row.layer: row.done for row in report.rows}


def close(ours: Tensor, theirs: Tensor) -> None:
    largest = float(theirs.abs().max())
    assert largest > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * largest)


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("form", FORMS)
def test_sports_1m_in_every_form_computes_what_the_published_network_computes(
    form: str, later: str, tmp_path: Path
) -> None:
    reference = small(form)
    state = LATER[later](reference.state_dict())
    network = C3D(6, SMALL)
    report = take_video_weights(network, saved(tmp_path, state))
    assert report.pixel_mean is not None
    assert report.pixel_std == 1.0
    assert report.pixel_mean.flatten().tolist() == pytest.approx([101.41, 97.66, 90.25])
    graph = VideoGraph(network.eval(), SMALL, report.pixel_mean, report.pixel_std).eval()
    clip = clips()
    with torch.no_grad():
        expected = reference(as_published(clip, 32))
        close(graph(clip), expected)
        assert not torch.allclose(graph(clip.flip(-1)), expected, rtol=1e-2)


def test_alexnet_of_torchvision_computes_what_torchvision_computes(tmp_path: Path) -> None:
    reference = small_alexnet()
    network = AlexNet(6, SMALL_AUDIO)
    fc8 = network.classifier[6].weight.clone()
    report = take_audio_weights(network, saved(tmp_path, reference.state_dict()))
    mean, std = torch.full((3, 1, 1), -2.0), torch.full((3, 1, 1), 3.0)
    graph = AudioGraph(network, SMALL_AUDIO, mean, std).eval()
    mel = torch.randn(2, 3, 64, 64)
    pictures = functional.interpolate((mel + 2.0) / 3.0, size=(127, 127), mode="bilinear", align_corners=False)
    with torch.no_grad():
        close(graph(mel), reference(pictures))
    assert torch.equal(network.classifier[6].weight, fc8)
    assert report.pixel_mean is report.pixel_std is None
    assert done(report) == {
        **{f"features.{place}": "taken" for place in (0, 3, 6, 8, 10)},
        "classifier.1": "taken",
        "classifier.4": "taken",
        "classifier.6": "left random",
    }


def test_the_published_networks_fit_the_paper_preset_at_full_size(tmp_path: Path) -> None:
    """Sizes from the public files: fc6 of C3D has 512 x 1 x 4 x 4 = 8192 inputs, of AlexNet 256 x 6 x 6."""
    with torch.device("meta"):
        c3ds = [form((64, 128, 256, 512, 512), 4, 4096, 4096) for form in FORMS.values()]
        alexnet = Torchvision((64, 192, 384, 256, 256), 6, 4096, 4096)
        networks = C3D(6, PAPER.video), AlexNet(6, PAPER.audio)

    def thin(network: nn.Module) -> State:
        """Of its shapes, and a file of a few kilobytes."""
        return {key: torch.full((1,), 0.5).expand(value.shape) for key, value in network.state_dict().items()}

    video, audio = (network.to_empty(device="cpu") for network in networks)
    for c3d in c3ds:
        report = take_video_weights(video, saved(tmp_path, thin(c3d)))
        assert {row.layer for row in report.rows if row.done != "taken"} == {"fc8"}
        assert report.rows[0].shape == (64, 3, 3, 3, 3)
        assert {row.layer: row.shape for row in report.rows}["fc6"] == (4096, 8192)
    report = take_audio_weights(audio, saved(tmp_path, thin(alexnet)))
    assert {row.layer for row in report.rows if row.done != "taken"} == {"classifier.6"}
    assert {row.layer: row.shape for row in report.rows}["classifier.1"] == (4096, 9216)


def test_files_of_old_pytorch_and_in_half_precision_are_read(tmp_path: Path) -> None:
    """Sums over planes are in single precision nevertheless."""
    state = {key: value.half() for key, value in small("plain").state_dict().items()}
    torch.save(state, tmp_path / "old.pickle", _use_new_zipfile_serialization=False)
    network = C3D(6, replace(SMALL, grey=True))
    take_video_weights(network, tmp_path / "old.pickle")
    assert torch.equal(network.fc7.weight, state["fc7.weight"].float())
    torch.testing.assert_close(network.conv1.weight, state["conv1.weight"].double().sum(1, keepdim=True).float())


def test_fc8_is_never_taken_and_the_report_names_its_classes(tmp_path: Path) -> None:
    network = C3D(487, SMALL)
    before = network.fc8.weight.clone()
    file = saved(tmp_path, small("plain").state_dict())
    report = take_video_weights(network, file)
    assert torch.equal(network.fc8.weight, before)
    row = next(row for row in report.rows if row.layer == "fc8")
    assert (row.done, row.source, row.reason) == ("left random", "fc8", "new for 487 classes, the file's has 487")
    assert report.unused == ()


@pytest.mark.parametrize(("missing", "left"), [("fc7", {"fc7", "fc8"}), ("fc6", {"fc6", "fc7", "fc8"})])
def test_dense_layers_may_be_missing(missing: str, left: set[str], tmp_path: Path) -> None:
    """A layer above a random one would read noise, and stays random too."""
    state = {key: value for key, value in small("plain").state_dict().items() if not key.startswith(missing)}
    network = C3D(6, SMALL)
    before = network.fc7.weight.clone()
    report = take_video_weights(network, saved(tmp_path, state))
    assert {row.layer for row in report.rows if row.done == "left random"} == left
    assert torch.equal(network.fc7.weight, before)


@pytest.mark.parametrize(
    ("form", "key"), {"plain": "conv4b", "numbered": "features.13", "wrapped": "conv4b.conv"}.items()
)
def test_a_missing_convolution_is_an_error_in_the_words_of_the_file(form: str, key: str, tmp_path: Path) -> None:
    state = small(form).state_dict()
    del state[f"{key}.bias"]
    file = saved(tmp_path, state)
    with pytest.raises(ConfigError, match=rf"weights\.pth lacks {key}\.bias, which conv4b of the network needs"):
        take_video_weights(C3D(6, SMALL), file)


def test_weights_of_another_size_are_refused_and_change_nothing(tmp_path: Path) -> None:
    network, state = C3D(6, SMALL), small("numbered").state_dict()
    state["features.18.weight"] = torch.zeros(9, 8, 3, 3, 3)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    file = saved(tmp_path, state)
    with pytest.raises(ConfigError, match=r"features\.18\.weight of .*\(9, 8, 3, 3, 3\), but conv5b.*\(8, 8, 3"):
        take_video_weights(network, file)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    file = saved(tmp_path, small_alexnet().state_dict())
    ours = rf"\({COMPACT.audio.channels[0]}, 3, 11, 11\)"
    with pytest.raises(ConfigError, match=rf"features\.0\.weight of .*\(4, 3, 11, 11\), .*{ours}; use"):
        take_audio_weights(AlexNet(6, COMPACT.audio), file)


@pytest.mark.parametrize("form", FORMS)
def test_colours_can_be_set_by_hand(form: str, tmp_path: Path) -> None:
    state = small(form).state_dict()
    first = next(iter(state))
    file, network = saved(tmp_path, state), C3D(6, SMALL)
    report = take_video_weights(network, file, bgr=False)
    assert report.pixel_mean is report.pixel_std is None
    assert torch.equal(network.conv1.weight, state[first])
    take_video_weights(network, file, bgr=True)
    assert torch.equal(network.conv1.weight, state[first].flip(1))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_our_own_checkpoints_come_back_as_they_were(batch_norm: bool, tmp_path: Path) -> None:
    video, audio = replace(SMALL, batch_norm=batch_norm), replace(SMALL_AUDIO, batch_norm=batch_norm)
    for network, again, take in (
        (C3D(6, video), C3D(6, video), take_video_weights),
        (AlexNet(6, audio), AlexNet(6, audio), take_audio_weights),
    ):
        shake_norms(network)
        report = take(again, saved(tmp_path, network.state_dict()))
        assert report.pixel_mean is None
        assert [row.done for row in report.rows].count("left random") == 1
        for key, value in network.state_dict().items():
            last = key.startswith(("fc8", "classifier.6", "num_batches"))
            assert torch.equal(again.state_dict()[key], value) != last, key


def shake_norms(network: nn.Module) -> None:
    """Statistics as after some training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.2, 1.5)


@pytest.mark.parametrize("grey", [False, True])
def test_a_graph_s_checkpoint_gives_its_network_and_its_pixels(grey: bool, tmp_path: Path) -> None:
    """As a training keeps it. Deviations far from a fold's own would make the weights see noise."""
    mean, shape = torch.tensor([90.0, 100.0, 130.0]).view(3, 1, 1, 1), replace(SMALL, grey=grey)
    graph = VideoGraph(C3D(6, SMALL), SMALL, mean, 7.5).eval()
    checkpoint = {"state_dict": {f"graph.{key}": value for key, value in graph.state_dict().items()}, "epoch": 2}
    network = C3D(6, shape)
    report = take_video_weights(network, saved(tmp_path, checkpoint))
    assert report.unused == ()
    assert report.pixel_std == 7.5
    assert report.pixel_mean is not None
    again = VideoGraph(network, shape, report.pixel_mean, report.pixel_std).eval()
    clip = clips()[..., 1:2].expand(-1, -1, -1, -1, 3) if grey else clips()
    with torch.no_grad():
        expected = graph.network.conv1(graph.prepare(clip))
        found = again.network.conv1(again.prepare(clip))
        inside = (slice(None), slice(None), slice(1, -1), slice(1, -1), slice(1, -1))
        close(found[inside], expected[inside])
        if not grey:
            close(again(clip), graph(clip))


@pytest.mark.parametrize(("mean", "std"), [(torch.nan, 2.0), (100.0, 0.0), (100.0, float("inf"))])
def test_pixels_that_mean_nothing_are_refused(mean: float, std: float, tmp_path: Path) -> None:
    graph = VideoGraph(C3D(6, SMALL), SMALL, torch.full((3, 1, 1, 1), mean), std)
    file = saved(tmp_path, graph.state_dict())
    with pytest.raises(ConfigError, match=rf"\[{mean}, {mean}, {mean}\] and {std}; expected finite"):
        take_video_weights(C3D(6, SMALL), file)


def test_batch_normalisations_are_left_new_where_the_file_has_none_and_never_dropped(tmp_path: Path) -> None:
    normed = replace(SMALL, batch_norm=True)
    network = C3D(6, normed)
    report = take_video_weights(network, saved(tmp_path, small("plain").state_dict()))
    assert {row.done for row in report.rows if row.layer.startswith("norms.")} == {"left new"}
    file = saved(tmp_path, network.state_dict())
    with pytest.raises(ConfigError, match=r"batch normalisations \(norms\.conv1\.running_mean, \.\.\.\)"):
        take_video_weights(C3D(6, SMALL), file)
    del (state := network.state_dict())["norms.conv3b.weight"]
    file = saved(tmp_path, state)
    with pytest.raises(ConfigError, match=r"lacks norms\.conv3b\.weight"):
        take_video_weights(C3D(6, normed), file)


def test_a_network_of_three_planes_sees_grey_as_before(tmp_path: Path) -> None:
    colour, shape = C3D(6, SMALL), replace(SMALL, grey=True)
    grey = C3D(6, shape)
    report = take_video_weights(grey, saved(tmp_path, colour.state_dict()))
    assert report.pixel_mean is None
    clip = clips()[..., 1:2].expand(-1, -1, -1, -1, 3)
    with torch.no_grad():
        expected = VideoGraph(colour, SMALL, torch.full((3, 1, 1, 1), 110.0), 60.0).eval()(clip)
        close(VideoGraph(grey, shape, torch.full((1, 1, 1, 1), 110.0), 60.0).eval()(clip), expected)


def test_sports_1m_sees_grey_as_before_inside_the_border(tmp_path: Path) -> None:
    """Outside, the padding stands for three means in the one and for one in the other."""
    reference, shape = small("plain"), replace(SMALL, grey=True)
    grey = C3D(6, shape)
    report = take_video_weights(grey, saved(tmp_path, reference.state_dict()))
    assert report.pixel_mean is not None
    assert report.pixel_mean.shape == (1, 1, 1, 1)
    clip = clips()[..., 1:2].expand(-1, -1, -1, -1, 3)
    with torch.no_grad():
        expected = reference.conv1(as_published(clip, 32))
        found = grey.conv1(VideoGraph(grey, shape, report.pixel_mean, 1.0).prepare(clip))
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1), slice(1, -1))
    close(found[inside], expected[inside])
    assert float((found - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_bgr_needs_three_planes(tmp_path: Path) -> None:
    shape = replace(SMALL, grey=True)
    file = saved(tmp_path, C3D(6, shape).state_dict())
    with pytest.raises(ConfigError, match=r"conv1\.weight of .* can't be BGR, which has three planes"):
        take_video_weights(C3D(6, shape), file, bgr=True)


def test_inflated_kernels_give_equal_frames_what_one_frame_gave() -> None:
    weight, picture = torch.randn(5, 3, 3, 3), torch.randn(2, 3, 9, 9)
    clip = picture.unsqueeze(2).expand(-1, -1, 7, -1, -1)
    for depth in (1, 3, 5):
        frames = functional.conv3d(clip, inflate(weight, depth), padding=(depth // 2, 0, 0))
        expected = functional.conv2d(picture, weight).unsqueeze(2).expand_as(frames)
        torch.testing.assert_close(frames, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"\(5, 3, 3\) to depth 3"):
        inflate(weight[..., 0], 3)
    for depth in (0, 4):
        with pytest.raises(ValueError, match=f"depth {depth}"):
            inflate(weight, depth)


def test_vgg_11_of_torchvision_gives_its_convolutions(tmp_path: Path) -> None:
    sizes = (3, *(SMALL.channels[i] for i in (0, 1, 2, 2, 3, 3, 4, 4)))
    places = (0, 3, 6, 8, 11, 13, 16, 18)
    state = {
        f"features.{place}.{part}": torch.randn((out, planes, 3, 3) if part == "weight" else out)
        for place, planes, out in zip(places, sizes, sizes[1:], strict=False)
        for part in ("weight", "bias")
    }
    for place, (inputs, outputs) in {0: (8 * 49, 18), 3: (18, 12), 6: (12, 1000)}.items():
        state |= {
            f"classifier.{place}.weight": torch.randn(outputs, inputs),
            f"classifier.{place}.bias": torch.ones(outputs),
        }
    network = C3D(6, SMALL)
    report = take_video_weights(network, saved(tmp_path, state))
    assert torch.equal(network.conv5b.weight, inflate(state["features.18.weight"], 3))
    assert torch.equal(network.conv1.weight, inflate(state["features.0.weight"], 3))
    rows = {row.layer: row for row in report.rows}
    assert {rows[name].done for name in CONVOLUTIONS} == {"inflated"}
    assert rows["fc6"].reason == "the file's has shape 18 x 392"
    assert rows["fc7"].reason == "fc6 below it is random"
    assert report.pixel_mean is None


def test_the_report_is_a_table_and_identifies_the_file(tmp_path: Path) -> None:
    state = {f"backbone.{key}": value for key, value in small("wrapped").state_dict().items()}
    file = saved(tmp_path, state | {"cls_head.fc_cls.bias": torch.zeros(101)})
    report = take_video_weights(C3D(6, SMALL), file)
    assert report.file == file
    assert report.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert report.unused == ("cls_head.fc_cls.bias",)
    head, titles, *lines = str(report).splitlines()
    assert head == f"{file} (sha256 {report.sha256[:12]}...; conv1a.conv, fc6; 3-D; BGR turned to RGB)"
    starts = [titles.index(title) for title in ("layer", "in the file", "shape")]
    for row, line in zip(report.rows, lines, strict=False):
        cells = (row.layer, row.source or "-", " x ".join(map(str, row.shape)))
        assert [line.index(cell, start) for cell, start in zip(cells, starts, strict=True)] == starts
    assert lines[0] == "conv1   backbone.conv1a.conv  4 x 3 x 3 x 3 x 3  taken"
    assert lines[10].endswith("left random: new for 6 classes")
    assert lines[11:] == ["pixels: less (101.41, 97.66, 90.25), divided by 1", "not used: cls_head.fc_cls.bias"]


class Attack:
    """Unpickled by the ordinary reader it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("how", ["new", "old", "plain pickle"])
def test_a_file_that_holds_code_is_refused_and_not_run(how: str, tmp_path: Path) -> None:
    marker, file = tmp_path / "ran", tmp_path / "weights.pth"
    content = {"extra": Attack(marker), **small("plain").state_dict()}
    if how == "plain pickle":
        file.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=how == "new")
    with pytest.raises(ConfigError, match=r"weights\.pth wants \w+\.mkdir to be run.* isn't done; expected a state"):
        take_video_weights(C3D(6, SMALL), file)
    assert not marker.exists()
    torch.load(file, weights_only=False) if how != "plain pickle" else pickle.loads(file.read_bytes())
    assert marker.exists()  # it was a real attack


def test_a_whole_pickled_network_is_refused_by_the_name_of_its_class(tmp_path: Path) -> None:
    file = saved(tmp_path, nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(ConfigError, match=r"wants torch\.nn\.\S*Sequential to be run.*state dict"):
        take_audio_weights(AlexNet(6, SMALL_AUDIO), file)


@pytest.mark.parametrize("new", [True, False])
def test_truncated_files_are_refused(new: bool, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.pth", tmp_path / "cut.pth"
    torch.save(small("plain").state_dict(), whole, _use_new_zipfile_serialization=new)
    data = whole.read_bytes()
    network = C3D(6, SMALL)
    for length in (0, 1, 2, 100, *range(1000, len(data), len(data) // 12), len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(ConfigError, match=r"cut\.pth is damaged or of another kind; expected a state dict"):
            take_video_weights(network, cut)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    network = C3D(6, SMALL)
    generator = torch.Generator().manual_seed(1)
    noise = bytes(torch.randint(0, 256, (5000,), dtype=torch.uint8, generator=generator).tolist())
    (tmp_path / "noise.pth").write_bytes(noise)
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html><body>Sign in to download</body></html>")
    with zipfile.ZipFile(tmp_path / "archive.pth", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    for name in ("noise", "page", "archive"):
        with pytest.raises(ConfigError, match=rf"{name}\.pth is damaged or of another kind"):
            take_video_weights(network, tmp_path / f"{name}.pth")
    for path in (tmp_path, tmp_path / "none.pth"):
        with pytest.raises(ConfigError, match=rf"{path.name} doesn't exist or is no file"):
            take_video_weights(network, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(3)], "no floating-point tensors by name"),
        ({"conv1.weight": 3, 7: torch.zeros(3)}, "no floating-point tensors by name"),
        ({"layer4.0.conv1.weight": torch.zeros(3)}, "no layer of C3D but layer4.0.conv1.weight, ...; expected"),
    ],
)
def test_other_contents_are_refused(content: object, message: str, tmp_path: Path) -> None:
    file = saved(tmp_path, content)
    with pytest.raises(ConfigError, match=message):
        take_video_weights(C3D(6, SMALL), file)


def test_c3d_s_weights_are_none_of_alexnet_s(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no layer of AlexNet but conv1\.bias"):
        take_audio_weights(AlexNet(6, SMALL_AUDIO), saved(tmp_path, small("plain").state_dict()))
    with pytest.raises(ConfigError, match=r"lacks features\.|features\.0\.weight of .* has shape"):
        take_audio_weights(AlexNet(6, SMALL_AUDIO), saved(tmp_path, small("numbered").state_dict()))


def spoilt(change: Callable[[State], Mapping[str, object]]) -> Mapping[str, object]:
    return change(small("plain").state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {**state, "conv2.bias": torch.full((5,), torch.nan)}, r"conv2\.bias of .* isn't finite"),
        (lambda state: {**state, "conv2.bias": torch.ones(5, dtype=torch.int64)}, r"lacks conv2\.bias.*floating-point"),
        (lambda state: {**state, "conv1.weight": state["conv1.weight"].to_sparse()}, r"lacks conv1\.weight"),
        (lambda state: {**state, "conv1.weight": torch.empty(4, 3, 3, 3, 3, device="meta")}, r"lacks conv1\.weight"),
        (lambda state: {**state, "conv1.bias": torch.ones(9)}, r"conv1\.bias of .* \(9,\), but conv1\.bias"),
        (lambda state: {**state, "conv1.weight": torch.ones(4)}, r"conv1\.weight of .* \(4,\), but conv1\.weight"),
        (lambda state: {**state, "module.fc7.bias": torch.ones(12)}, r"has fc7\.bias twice, as fc7\.bias and module\."),
        (lambda state: {**state, "fc6.weight": torch.ones(18, 99)}, r"fc6\.weight of .*\(18, 99\), but .*\(18, 32\)"),
    ],
)
def test_spoilt_weights_are_refused(
    change: Callable[[State], Mapping[str, object]], message: str, tmp_path: Path
) -> None:
    file = saved(tmp_path, spoilt(change))
    with pytest.raises(ConfigError, match=message):
        take_video_weights(C3D(6, SMALL), file)
