"""Networks to ONNX files, and ONNX files and heads to a bundle."""

from __future__ import annotations

import copy
import dataclasses
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from emostream.engines.bundle import HEADS_FILE, MANIFEST_FILE, Bundle, Manifest, NetworkSpec, write_manifest
from emostream.engines.errors import ConfigError, PublishError
from emostream.engines.heads import HeadName, LinearSVM, save_heads
from emostream.engines.settings import FRONTEND
from emostream.engines.tensors import NetworkRole, TensorSpec
from emostream.trainer.networks.graphs import Graph
from emostream.trainer.networks.presets import Preset

__all__ = ["HALF_ELEMENTS", "as_exported", "export_onnx", "frontend_of", "refuse_existing", "write_bundle"]

HALF_ELEMENTS = 1024
"""Weights of at least so many elements are stored in FP16."""

_OPSET = 18
_EXAMPLE_BATCH = 2  # torch.export takes a size of 1 for a constant
_HALF_ERROR = 2.0**-10  # of a tensor's largest value; beyond it, FP16 has overflowed or flushed to zero


def export_onnx(graph: Graph, file: Path) -> None:
    """Write one network as a single ONNX file with a free batch axis and weights in FP16.

    Each FP16 weight is followed by a cast to float32, so that every runtime computes in float32 unless asked
    otherwise. The file holds nothing about the machine that wrote it, and equal weights give equal bytes.

    Args:
        graph: the network; stays as it is, in training or not, on any device.
        file: what to write.

    Raises:
        OSError: the file can't be written.
    """
    folded = copy.deepcopy(graph).cpu()
    folded.fold()
    batch = torch.export.Dim("batch")
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            folded,
            tuple(_example(spec) for spec in graph.inputs),
            dynamo=True,
            opset_version=_OPSET,
            input_names=[spec.name for spec in graph.inputs],
            output_names=[graph.output.name],
            dynamic_shapes={spec.name: {0: batch} for spec in graph.inputs},
            verbose=False,
        )
    model = cast(torch.onnx.ONNXProgram, program).model_proto
    _anonymise(model)
    _store_halves(model.graph)
    onnx.save(model, file)


def as_exported(graph: Graph) -> Graph:
    """A copy that computes what the exported file computes: folded, and with the weights that FP16 leaves.

    What is measured with it holds for the bundle: heads are trained on its embeddings.
    """
    copied = copy.deepcopy(graph).cpu()
    copied.fold()
    with torch.no_grad():
        for weight in (*copied.parameters(), *copied.buffers()):
            half = _half(weight.numpy())
            if half is not None:
                weight.copy_(torch.from_numpy(half.astype(np.float32)))
    return copied


def frontend_of(preset: Preset) -> dict[str, Any]:
    """What a bundle of a preset says of its front end."""
    return {**FRONTEND, "level": "segment" if preset.audio.level else "none"}


def write_bundle(out: Path, graphs: Iterable[Graph], heads: Mapping[HeadName, LinearSVM], manifest: Manifest) -> Bundle:
    """Write a whole bundle, or nothing: into a folder beside `out`, renamed into place at the end.

    Into an existing empty folder the files move one by one, the manifest last.

    Args:
        out: the new bundle's folder; may exist when empty.
        graphs: the three networks. A generator holds one at a time in memory, which matters for `paper`.
        heads: the three heads.
        manifest: everything but `networks` and `files`, which are replaced.

    Returns:
        The bundle, checked.

    Raises:
        ConfigError: `out` exists and is no empty folder.
        PublishError: it can't be written.
        BundleError: networks, heads and labels don't fit one another.
    """
    target = out.absolute()
    try:
        refuse_existing(target)
        existing = target.is_dir()  # the caller may stand in it, or have mounted it: it stays
        place = target if existing else target.parent
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=f".{target.name}-") as scratch:
            folder = Path(scratch) / target.name
            folder.mkdir()  # the scratch folder itself is closed to others
            networks: dict[NetworkRole, NetworkSpec] = {}
            for graph in graphs:
                file = f"{graph.role}.onnx"
                export_onnx(graph, folder / file)
                networks[graph.role] = NetworkSpec(file, graph.inputs, graph.output)
                del graph  # before the generator makes the next one
            save_heads(folder / HEADS_FILE, heads)
            write_manifest(folder, msgspec.structs.replace(manifest, networks=networks))
            bundle = Bundle.load(folder)
            if existing:
                for name in (*bundle.manifest.files, MANIFEST_FILE):
                    (folder / name).rename(target / name)
            else:
                folder.rename(target)
    except OSError as error:
        raise PublishError(
            f"bundle {out} can't be written: {error.strerror or error}; "
            "expected a place that you may write to, with room for it"
        ) from error
    return dataclasses.replace(bundle, path=out, folder=out)


def refuse_existing(target: Path) -> None:
    """Whether a bundle may be written to a folder; asked before a long training, too.

    Raises:
        ConfigError: it exists and is no empty folder.
    """
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() or target.is_symlink():
        raise ConfigError(f"bundle {target} exists already; remove it or name a new folder")


def _example(spec: TensorSpec) -> Tensor:
    return torch.zeros((_EXAMPLE_BATCH, *spec.shape), dtype=getattr(torch, spec.dtype))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about itself from the user."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _anonymise(model: onnx.ModelProto) -> None:
    """Drop stack traces and notes: they name source files and folders of this machine."""
    model.producer_name, model.producer_version, model.doc_string = "emostream", "", ""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _half(full: npt.NDArray[Any]) -> npt.NDArray[np.float16] | None:
    """A float32 weight as FP16; None where it is small, of another type, or doesn't fit."""
    if full.dtype != np.float32 or full.size < HALF_ELEMENTS:
        return None
    with np.errstate(over="ignore"):
        half = full.astype(np.float16)
    return half if np.abs(half - full).max() <= _HALF_ERROR * np.abs(full).max() else None


def _store_halves(graph: onnx.GraphProto) -> None:
    """Replace large float32 weights by FP16 ones, each with a cast that keeps the old name."""
    casts = []
    for weight in graph.initializer:
        half = _half(numpy_helper.to_array(weight))
        if half is None:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.widen", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
