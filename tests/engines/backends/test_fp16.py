from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from emostream.engines.backends.tensorrt.fp16 import half_tensors, to_fp16
from emostream.engines.bundle import Bundle
from emostream.engines.errors import EngineError
from emostream.engines.starter import STARTER
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole

RNG = np.random.default_rng(0)
BUNDLE = Bundle.load(STARTER)


def _inputs(role: NetworkRole) -> dict[str, npt.NDArray[np.generic]]:
    made: dict[str, npt.NDArray[np.generic]] = {}
    for spec in BUNDLE.manifest.networks[role].inputs:
        shape = (3, *spec.shape)
        made[spec.name] = (
            RNG.integers(0, 256, shape).astype(np.uint8)
            if spec.dtype == "uint8"
            else RNG.standard_normal(shape).astype(np.float32)
        )
    return made


def _run(model: onnx.ModelProto, feed: dict[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, feed)
    return np.asarray(found)


@pytest.mark.parametrize("role", NETWORK_ROLES)
def test_inputs_and_outputs_keep_their_types_and_the_layers_are_fp16(role: NetworkRole) -> None:
    full, half = onnx.load(BUNDLE.network_file(role)), to_fp16(BUNDLE.network_file(role))
    assert half.graph.input == full.graph.input
    assert half.graph.output == full.graph.output
    types = {
        each.name: each.type.tensor_type.elem_type for each in onnx.shape_inference.infer_shapes(half).graph.value_info
    }
    types |= {each.name: each.data_type for each in half.graph.initializer}
    layers = [node for node in half.graph.node if node.op_type in ("Conv", "Gemm", "MaxPool", "Relu", "Sigmoid")]
    assert len(layers) >= 4
    for node in layers:
        assert {types[name] for name in (*node.input, *node.output)} == {TensorProto.FLOAT16}, node.name
    before = [node for node in half.graph.node if node.op_type in ("MatMul", "Sqrt", "Sub")]
    for node in before:  # resizing and standardisation
        assert {types.get(name, TensorProto.FLOAT) for name in node.input} == {TensorProto.FLOAT}, node.name


@pytest.mark.parametrize("role", NETWORK_ROLES)
def test_it_computes_the_same_but_for_rounding(role: NetworkRole) -> None:
    feed = _inputs(role)
    expected = _run(onnx.load(BUNDLE.network_file(role)), feed)
    found = _run(to_fp16(BUNDLE.network_file(role)), feed)
    assert found.dtype == np.float32
    assert 0 < np.linalg.norm(found - expected) / np.linalg.norm(expected) < 2e-3


def test_no_weight_is_stored_twice_or_in_float32() -> None:
    for role in NETWORK_ROLES:
        half = to_fp16(BUNDLE.network_file(role))
        assert half.ByteSize() < 1.02 * BUNDLE.network_file(role).stat().st_size
        layers = [
            each for each in half.graph.initializer if each.name.startswith("network.") and ".scaling" not in each.name
        ]
        assert {each.data_type for each in layers} == {TensorProto.FLOAT16}


def _network(file: Path, weight: npt.NDArray[np.float32]) -> Path:
    """x [batch, 2] -> Sub -> Gemm -> Mul with its own input -> y."""
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["x", "mean"], ["centred"]),
            helper.make_node("Gemm", ["centred", "weight"], ["hidden"]),
            helper.make_node("Mul", ["hidden", "centred"], ["y"]),
            helper.make_node("Neg", ["y"], ["z"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in ("y", "z")],
        [numpy_helper.from_array(each, name) for each, name in ((np.ones(2, np.float32), "mean"), (weight, "weight"))],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
    return file


def test_what_a_later_layer_takes_from_the_preprocessing_is_cast_too(tmp_path: Path) -> None:
    file = _network(tmp_path / "small.onnx", np.eye(2, dtype=np.float32))
    assert half_tensors(onnx.load(file)) == {"hidden", "y", "z"}
    half = to_fp16(file)
    assert [node.op_type for node in half.graph.node].count("Cast") == 3  # into FP16 once, out of it twice
    session = onnxruntime.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
    y, z = session.run(None, {"x": np.array([[3.0, 5.0]], np.float32)})
    np.testing.assert_allclose(y, [[4.0, 16.0]])
    np.testing.assert_allclose(z, [[-4.0, -16.0]])


def test_a_weight_that_fp16_cannot_hold_is_named(tmp_path: Path) -> None:
    file = _network(tmp_path / "large.onnx", np.full((2, 2), 1e6, np.float32))
    with pytest.raises(
        EngineError, match=r"large\.onnx: the weight weight reaches 1e\+06, and FP16 ends at 65504; take"
    ):
        to_fp16(file)


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    file = tmp_path / "no.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(EngineError, match=r"no\.onnx can't be read as ONNX: .*; make the bundle again"):
        to_fp16(file)
