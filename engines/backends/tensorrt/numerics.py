"""How much FP16 costs a bundle on real segments: the range of its activations, its embeddings, its decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnx

from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine, open_session
from emostream.engines.backends.tensorrt.fp16 import half_tensors, load_network, to_fp16
from emostream.engines.bundle import HEAD_NETWORKS, Bundle
from emostream.engines.heads import HeadName
from emostream.engines.pooling import Features
from emostream.engines.recognizer import NetworkInputs, Recognizer
from emostream.engines.tensors import NetworkRole

__all__ = ["HEADROOM", "DecisionChange", "Fp16OnnxRuntimeEngine", "NetworkNumerics", "Numerics", "examine"]

HEADROOM = 8.0
"""How far below FP16's largest number, 65504, every activation has to stay, as a factor."""

T = TypeVar("T")

_BATCH = 8


class Fp16OnnxRuntimeEngine(OnnxRuntimeEngine):
    """The FP16 graphs on ONNX Runtime.

    On a CPU it rounds what it stores to FP16 but computes much in float32, so that its results show the rounding and
    would hide an overflow; `NetworkNumerics.largest` is there for that.
    """

    precision = "fp16"

    def model(self, role: NetworkRole) -> bytes:
        """See `OnnxRuntimeEngine`."""
        return bytes(to_fp16(self.bundle.network_file(role)).SerializeToString())


@dataclass(frozen=True)
class NetworkNumerics:
    """One network in FP16 against float32.

    Attributes:
        segments: that it saw.
        tensor: the activation with the largest magnitude, among those that are FP16.
        largest: that magnitude, in float32.
        median_error: of the embeddings, norm of the difference over the norm in float32.
        largest_error: the same, the largest one.
    """

    segments: int
    tensor: str
    largest: float
    median_error: float
    largest_error: float

    @property
    def headroom(self) -> float:
        """FP16's largest number over the largest activation."""
        return float(np.finfo(np.float16).max) / self.largest if self.largest else np.inf


@dataclass(frozen=True)
class DecisionChange:
    """One head on the embeddings of single segments.

    Attributes:
        segments: that it decided on.
        changed: how often its label was another one in FP16.
    """

    segments: int
    changed: int


@dataclass(frozen=True)
class Numerics:
    """What `examine` found, for each network and each head that had segments."""

    networks: dict[NetworkRole, NetworkNumerics]
    decisions: dict[HeadName, DecisionChange]


def examine(bundle: Bundle, segments: Sequence[NetworkInputs]) -> Numerics:
    """Run a bundle in float32 and in FP16 on ONNX Runtime, and its float32 networks once more for their activations.

    Args:
        bundle: trained or not; the decisions of an untrained one mean nothing.
        segments: real ones; a segment may lack voice or face.

    Raises:
        EngineError: the FP16 graphs can't be made, or ONNX Runtime failed.
    """
    with OnnxRuntimeEngine(bundle, cuda=False) as full, Fp16OnnxRuntimeEngine(bundle, cuda=False) as half:
        expected, found = (Recognizer(bundle, engine).embed_all(segments, _BATCH) for engine in (full, half))
    networks: dict[NetworkRole, NetworkNumerics] = {}
    decisions: dict[HeadName, DecisionChange] = {}
    for head, role in HEAD_NETWORKS.items():
        rows = [i for i, features in enumerate(expected) if features.get(head) is not None]
        if not rows:
            continue
        exact, rounded = (np.array([some[i].get(head) for i in rows]) for some in (expected, found))
        errors = np.linalg.norm(rounded - exact, axis=1) / np.linalg.norm(exact, axis=1)
        tensor, largest = _largest(bundle, role, [_inputs(role, segments[i], expected[i]) for i in rows])
        networks[role] = NetworkNumerics(len(rows), tensor, largest, float(np.median(errors)), float(errors.max()))
        labels, changed = (bundle.heads[head].probabilities(each).argmax(axis=1) for each in (exact, rounded))
        decisions[head] = DecisionChange(len(rows), int((labels != changed).sum()))
    return Numerics(networks, decisions)


def _inputs(role: NetworkRole, segment: NetworkInputs, features: Features) -> tuple[npt.NDArray[Any] | None, ...]:
    """What one network sees of a segment that it embeds."""
    if role == "fusion":
        return features.audio, features.video
    return (segment.mel if role == "audio" else segment.clip,)


def _largest(
    bundle: Bundle, role: NetworkRole, inputs: Sequence[tuple[npt.NDArray[Any] | None, ...]]
) -> tuple[str, float]:
    """The activation of one float32 network that comes nearest to FP16's largest number, and its magnitude."""
    model = load_network(bundle.network_file(role))
    kinds = {each.name: each for each in (*model.graph.value_info, *model.graph.output)}
    given = {each.name for each in model.graph.output}
    names = [name for name in half_tensors(model) if kinds[name].type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    model.graph.output.extend(kinds[name] for name in names if name not in given)
    session = open_session(model.SerializeToString())
    largest = dict.fromkeys(names, 0.0)
    for part in _batches(inputs):
        columns = [np.stack(column) for column in zip(*part, strict=True)]
        feed = {each.name: column for each, column in zip(session.get_inputs(), columns, strict=True)}
        for name, found in zip(names, session.run(names, feed), strict=True):
            largest[name] = max(largest[name], float(np.abs(found).max()))
    tensor = max(largest, key=largest.__getitem__)
    return tensor, largest[tensor]


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
