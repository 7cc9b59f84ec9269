from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import openvino
import pytest
import torch
from torch import Tensor, nn

from emostream.engines.bundle import FORMAT_VERSION, Bundle, Manifest
from emostream.engines.errors import ConfigError, PublishError
from emostream.engines.heads import LinearSVM
from emostream.trainer.export import HALF_ELEMENTS, export_onnx, frontend_of, write_bundle
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.fusion import DBN
from emostream.trainer.networks.graphs import AudioGraph, FusionGraph, Graph, VideoGraph
from emostream.trainer.networks.presets import COMPACT, PAPER, AudioShape, VideoShape

ROLES = ("audio", "video", "fusion")
AUDIO, VIDEO = COMPACT.audio, COMPACT.video


def as_trained(graph: Graph) -> Graph:
    """Random biases and statistics: fresh ones are zeros, which the exporter leaves out."""
    for module in graph.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return graph


def audio_graph(shape: AudioShape = AUDIO) -> Graph:
    size = shape.input_size
    mean = torch.tensor([-6.0, 0.0, 0.0]).view(3, 1, 1) + 0.1 * torch.randn(3, size, size)
    std = torch.tensor([4.0, 0.5, 0.25]).view(3, 1, 1) * torch.ones(3, size, size)
    std[0, 0, 0] = 0.0
    return as_trained(AudioGraph(AlexNet(6, shape), shape, mean, std))


def video_graph() -> Graph:
    return as_trained(VideoGraph(C3D(6, VIDEO), VIDEO, torch.full((1, 1, 1, 1), 115.0), 64.0))


def fusion_graph() -> Graph:
    network = DBN(6, AUDIO.embedding, VIDEO.embedding, COMPACT.fusion)
    network.fit_scaling(torch.rand(20, AUDIO.embedding), torch.rand(20, VIDEO.embedding))
    return as_trained(FusionGraph(network, AUDIO.embedding, VIDEO.embedding))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Graph, Path]]:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("networks")
    graphs = {graph.role: graph for graph in (audio_graph(), video_graph(), fusion_graph())}
    for role, graph in graphs.items():
        export_onnx(graph, folder / f"{role}.onnx")
    return {role: (graph, folder / f"{role}.onnx") for role, graph in graphs.items()}


def inputs_of(graph: Graph, batch: int) -> dict[str, npt.NDArray[np.generic]]:
    rng = np.random.default_rng(batch)
    return {
        spec.name: rng.integers(0, 256, (batch, *spec.shape), np.uint8)
        if spec.dtype == "uint8"
        else rng.standard_normal((batch, *spec.shape)).astype(np.float32)
        for spec in graph.inputs
    }


def torch_output(graph: Graph, inputs: dict[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        output: Tensor = graph(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    return output.numpy()


def rounded(graph: Graph) -> Graph:
    """The graph with its large weights rounded to FP16, as they are stored."""
    folded = copy.deepcopy(graph)
    folded.fold()
    for tensor in (*folded.parameters(), *folded.buffers()):
        if tensor.numel() >= HALF_ELEMENTS:
            tensor.data = tensor.data.half().float()
    return folded


def difference(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("role", ROLES)
def test_onnx_runtime_gives_what_pytorch_gives(exported: dict[str, tuple[Graph, Path]], role: str, batch: int) -> None:
    graph, file = exported[role]
    inputs = inputs_of(graph, batch)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run([graph.output.name], inputs)
    assert found.shape == (batch, *graph.output.shape)
    assert difference(found, torch_output(rounded(graph), inputs)) < 1e-4
    assert difference(found, torch_output(copy.deepcopy(graph).eval(), inputs)) < 2e-3


@pytest.mark.parametrize("role", ROLES)
def test_openvino_gives_what_pytorch_gives(exported: dict[str, tuple[Graph, Path]], role: str) -> None:
    graph, file = exported[role]
    inputs = inputs_of(graph, 2)
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(inputs)[graph.output.name]
    assert difference(found, torch_output(rounded(graph), inputs)) < 1e-3


@pytest.mark.parametrize("role", ROLES)
def test_file_is_valid_plain_and_whole(exported: dict[str, tuple[Graph, Path]], role: str) -> None:
    graph, file = exported[role]
    model = onnx.load(file, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 18
    assert not model.functions
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    for value, spec in zip((*model.graph.input, *model.graph.output), (*graph.inputs, graph.output), strict=True):
        batch, *rest = value.type.tensor_type.shape.dim
        assert value.name == spec.name
        assert batch.dim_param
        assert tuple(dim.dim_value for dim in rest) == spec.shape
    for weight in model.graph.initializer:
        assert weight.data_location == onnx.TensorProto.DEFAULT
        if np.prod(weight.dims) >= HALF_ELEMENTS:
            assert weight.data_type == onnx.TensorProto.FLOAT16, weight.name


@pytest.mark.parametrize("role", ROLES)
def test_file_names_no_place_of_the_machine(exported: dict[str, tuple[Graph, Path]], role: str) -> None:
    _, file = exported[role]
    model = onnx.load(file)
    for weight in model.graph.initializer:
        weight.ClearField("raw_data")  # random bytes spell anything
    content = model.SerializeToString()
    for word in (".py", "torch", "trainer", "File", sys.prefix, str(Path.home()), str(Path.cwd())):
        assert word.encode() not in content


def test_export_leaves_the_network_in_training() -> None:
    graph = audio_graph().train()
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    export_onnx(graph, Path("/dev/null"))
    assert graph.training
    after = graph.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_weights_beyond_fp16_stay_as_they_are(tmp_path: Path) -> None:
    graph = fusion_graph()
    visible = AUDIO.embedding + VIDEO.embedding
    graph.network.scaling.set(torch.zeros(visible), torch.full((visible,), 1e-6))
    export_onnx(graph, tmp_path / "fusion.onnx")
    weights = {
        weight.name: onnx.numpy_helper.to_array(weight)
        for weight in onnx.load(tmp_path / "fusion.onnx").graph.initializer
    }
    np.testing.assert_allclose(weights["network.scaling.scale"], 1e6)


@pytest.mark.parametrize("level", [False, True], ids=["plain", "levelled"])
def test_mel_is_levelled_resized_as_opencv_does_and_standardised(level: bool) -> None:
    graph = audio_graph(replace(AUDIO, level=level))
    mel = 3 * inputs_of(graph, 1)["mel"] - 5
    prepared = graph.prepare(torch.from_numpy(mel))[0].numpy()
    size = (AUDIO.input_size, AUDIO.input_size)
    static, *deltas = mel[0]
    planes = np.stack([static - static.mean(), *deltas]) / static.std() if level else mel[0]
    resized = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in planes])
    mean, scale = graph.standardise.offset.numpy(), graph.standardise.scale.numpy()
    np.testing.assert_allclose(prepared, (resized - mean) * scale, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(scale[:, 5, 5], [0.25, 2.0, 4.0])
    assert prepared[0, 0, 0] == 0.0


@pytest.mark.parametrize("shape", [PAPER.video, VIDEO], ids=["rgb", "grey"])
def test_clip_is_converted_and_resized_as_opencv_does(shape: VideoShape) -> None:
    with torch.device("meta"):
        network = C3D(6, shape)
    offset, std = (0.1, 0.5) if shape.level else (90.0, 64.0)
    mean = torch.arange(shape.planes).view(-1, 1, 1, 1) + offset
    graph = VideoGraph(network, shape, mean, std)
    clip = inputs_of(graph, 2)["clip"]
    prepared = graph.prepare(torch.from_numpy(clip)).numpy()
    size = (shape.input_size, shape.input_size)
    assert prepared.shape == (2, shape.planes, 16, *size)
    for item in (0, 1):
        resized = np.stack([opencvs(picture.astype(np.float32), shape) for picture in clip[item]], axis=1)
        if shape.level:
            resized = (resized - resized.mean()) / resized.std()
        np.testing.assert_allclose(prepared[item], (resized - mean.numpy()) / std, atol=1e-3)


def opencvs(picture: npt.NDArray[np.float32], shape: VideoShape) -> npt.NDArray[np.float32]:
    """A crop [150, 110, 3] converted and resized by OpenCV, [planes, S, S]."""
    if shape.grey:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if shape.detail:
        picture = cv2.resize(picture, shape.detail[::-1], interpolation=cv2.INTER_AREA)
    resized = cv2.resize(picture, (shape.input_size,) * 2, interpolation=cv2.INTER_LINEAR)
    return np.moveaxis(resized.reshape(shape.input_size, shape.input_size, -1), 2, 0)


def manifest(*labels: str) -> Manifest:
    return Manifest(FORMAT_VERSION, "test", "compact", True, labels, frontend_of(COMPACT), {}, {}, {}, {}, "Apache-2.0")


def heads(pairs: int) -> dict[str, LinearSVM]:
    sizes = {"audio": AUDIO.embedding, "video": VIDEO.embedding, "fused": COMPACT.fusion.joint}
    ones = np.ones(pairs, np.float32)
    return {name: LinearSVM(np.ones((pairs, size), np.float32), ones, -ones, ones) for name, size in sizes.items()}


def test_bundle_is_written_into_an_empty_folder(tmp_path: Path) -> None:
    out = tmp_path / "new"
    out.mkdir()
    bundle = write_bundle(out, (audio_graph(), video_graph(), fusion_graph()), heads(3), manifest("a", "b", "c"))
    assert Bundle.load(out).manifest == bundle.manifest
    assert bundle.sha256 == Bundle.load(out).sha256
    assert bundle.network_file("video").is_file()
    assert bundle.manifest.trained
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def graphs() -> Iterator[Graph]:
        yield fusion_graph()
        raise OSError(28, "No space left on device")

    with pytest.raises(PublishError, match="No space left on device"):
        write_bundle(tmp_path / "new", graphs(), heads(3), manifest("a", "b", "c"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_exists_is_not_touched(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "old"
    if kind == "folder":
        out.mkdir()
        (out / "mine").touch()
    elif kind == "file":
        out.touch()
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="exists already"):
        write_bundle(out, (), heads(3), manifest("a", "b", "c"))
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
