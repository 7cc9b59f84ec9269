"""A bundle's network in FP16, as TensorRT's strongly typed networks want it: the types are in the graph.

What comes before the first layer with trained weights stays in float32: resizing and standardisation work on pixels
from 0 to 255 and on logarithms, of which FP16 would keep three digits. From there on weights and arithmetic are FP16.
Inputs and outputs keep their types.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emostream.engines.errors import EngineError

__all__ = ["GRAPH_VERSION", "half_tensors", "load_network", "to_fp16"]

GRAPH_VERSION = 1
"""Counts the changes to what `to_fp16` makes of a network; plans of an older graph are built anew."""

_LAYERS = ("Conv", "Gemm")
_FLOAT, _HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def to_fp16(file: Path) -> onnx.ModelProto:
    """The FP16 form of one network of a bundle.

    Args:
        file: its ONNX file; large weights are FP16 already, each followed by a cast to float32.

    Returns:
        A checked model with the same inputs and outputs.

    Raises:
        EngineError: the file is no such network, or holds a weight that FP16 can't.
    """
    model = load_network(file)
    graph = model.graph
    halves = half_tensors(model)
    outputs = {each.name for each in graph.output}
    nodes, made = list(graph.node), _Made(file, graph)
    del graph.node[:]
    for node in nodes:
        if halves.isdisjoint(node.output):
            graph.node.append(node)
            continue
        for place, name in enumerate(node.input):
            if name not in halves:
                node.input[place] = made.half(name)
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name in outputs:
                    names[place] = f"{name}.fp16"
        graph.node.extend([*made.taken(), node])
    graph.node.extend(_cast(f"{name}.fp16", name, _FLOAT) for name in outputs & halves)
    _drop_unused(graph)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def half_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of the activations of a float32 network that are FP16 in its FP16 form.

    They are what the first convolution or fully connected layer gives, and all that depends on it.
    """
    found: set[str] = set()
    for node in model.graph.node:
        if not found.isdisjoint(node.input) or (not found and node.op_type in _LAYERS):
            found.update(node.output)
    return found


def load_network(file: Path) -> onnx.ModelProto:
    """One network of a bundle, with the types and shapes of all its tensors.

    Raises:
        EngineError: the file is no network.
    """
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(file), check_type=True, strict_mode=True)
    except Exception as error:  # noqa: BLE001 - protobuf's and the checker's exceptions share no base but Exception
        raise EngineError(f"{file} can't be read as ONNX: {error}; make the bundle again") from None
    return model


class _Made:
    """The FP16 forms of the tensors that layers take, each made once."""

    def __init__(self, file: Path, graph: onnx.GraphProto) -> None:
        self._file, self._graph = file, graph
        self._weights = {each.name: each for each in graph.initializer}
        halves = {name for name, each in self._weights.items() if each.data_type == _HALF}
        self._widened = {
            node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast" and node.input[0] in halves
        }
        self._types = dict(_types(graph))
        self._names: dict[str, str] = {}
        self._pending: list[onnx.NodeProto] = []

    def half(self, name: str) -> str:
        """The name of a tensor's FP16 form; what is no float32 stays."""
        if name not in self._names:
            self._names[name] = self._made(name)
        return self._names[name]

    def taken(self) -> list[onnx.NodeProto]:
        """The casts that were made since the last call."""
        pending, self._pending = self._pending, []
        return pending

    def _made(self, name: str) -> str:
        if name in self._widened:
            return str(self._widened[name])
        if self._types.get(name) != _FLOAT:
            return name
        half = f"{name}.fp16"
        if weight := self._weights.get(name):
            self._graph.initializer.append(numpy_helper.from_array(self._rounded(weight), half))
        else:
            self._pending.append(_cast(name, half, _HALF))
        return half

    def _rounded(self, weight: onnx.TensorProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
        full = numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            half = full.astype(np.float16)
        if not np.isfinite(half).all():
            raise EngineError(
                f"{self._file}: the weight {weight.name} reaches {np.abs(full).max():.3g}, and FP16 ends at "
                f"{np.finfo(np.float16).max:.0f}; take an engine that computes in fp32 or bf16"
            )
        return half


def _types(graph: onnx.GraphProto) -> Iterator[tuple[str, int]]:
    """The element types of all tensors that have a name."""
    for each in (*graph.input, *graph.value_info, *graph.output):
        yield each.name, each.type.tensor_type.elem_type
    for weight in graph.initializer:
        yield weight.name, weight.data_type


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}.cast", to=to)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove the casts of weights, and the weights, that nothing takes any more."""
    for _ in range(2):  # a weight is used by its cast until that is gone
        used = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
        nodes = [node for node in graph.node if not used.isdisjoint(node.output)]
        weights = [each for each in graph.initializer if each.name in used]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(weights)
