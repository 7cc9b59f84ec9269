"""Damaged bundles, and damaged networks on the engines."""

from __future__ import annotations

import io
import shutil
import zipfile
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz.mutations import edited_json, mutated
from benchmarks.fuzz.seeds import tiny_bundle, zipped
from benchmarks.fuzz.target import Case, Target, scratch, taken
from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine
from emostream.engines.backends.openvino.engine import OpenVinoEngine
from emostream.engines.bundle import Bundle, Manifest, write_manifest
from emostream.engines.engine import Batch
from emostream.engines.errors import BundleError, EngineError

__all__ = ["BUNDLE", "NETWORK"]


@cache
def _seed_bundle() -> Path:
    return tiny_bundle(scratch() / "seed")


@cache
def _seed_files() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in _seed_bundle().iterdir()}


def _fresh(name: str) -> Path:
    """A copy of the seed bundle to damage."""
    folder = scratch() / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_seed_bundle(), folder)
    return folder


@st.composite
def _heads(draw: st.DrawFn) -> bytes:
    """heads.npz with one of its arrays damaged, packed soundly."""
    with zipfile.ZipFile(io.BytesIO(_seed_files()["heads.npz"])) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    chosen = draw(st.sampled_from(sorted(arrays)))
    arrays[chosen] = draw(mutated(list(arrays.values())))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _bundle_cases() -> st.SearchStrategy[Case]:
    files = _seed_files()
    zips = [zipped(_seed_bundle()), zipped(_seed_bundle(), zipfile.ZIP_STORED)]
    networks = [data for name, data in files.items() if name.endswith(".onnx")]
    manifest = [files["manifest.json"]]
    return st.one_of(
        st.tuples(st.just(".zip"), mutated(zips)),
        st.tuples(st.just("manifest.json"), edited_json(manifest) | mutated(manifest)),
        st.tuples(st.just("heads.npz"), mutated([files["heads.npz"]]) | _heads()),
        st.tuples(st.sampled_from(["audio.onnx", "video.onnx", "fusion.onnx"]), mutated(networks)),
    )


def _check_bundle(name: str, data: bytes) -> bool:
    if name == ".zip":
        file = scratch() / "bundle.zip"
        file.write_bytes(data)
        return taken(lambda: shutil.rmtree(Bundle.load(file).folder), BundleError)
    return taken(lambda: Bundle.load(_with(name, data)), BundleError)


def _with(name: str, data: bytes) -> Path:
    """The seed bundle with one file replaced, whose hash the manifest has."""
    folder = _fresh("bundle")
    (folder / name).write_bytes(data)
    if name != "manifest.json":
        write_manifest(folder, msgspec.json.decode(_seed_files()["manifest.json"], type=Manifest))
    return folder


def _network_cases() -> st.SearchStrategy[Case]:
    return st.tuples(st.just("audio.onnx"), mutated([_seed_files()["audio.onnx"]]))


def _check_network(name: str, data: bytes) -> bool:
    """What passes the look through it is loaded and run."""
    folder = _with(name, data)
    bundles: list[Bundle] = []
    if not taken(lambda: bundles.append(Bundle.load(folder)), BundleError):
        return False
    batch = Batch(np.ones((2, 3, 64, 64), np.float32), np.zeros((0, 16, 150, 110, 3), np.uint8), ())

    def run(make: type[OpenVinoEngine] | type[OnnxRuntimeEngine]) -> bool:
        def embed() -> None:
            with make(bundles[0]) as engine:
                engine.embed(batch)

        return taken(embed, EngineError)

    openvino, onnxruntime = run(OpenVinoEngine), run(OnnxRuntimeEngine)
    return openvino and onnxruntime


BUNDLE = Target(
    "damaged .zip, manifest, heads and networks, with hashes that fit",
    _bundle_cases,
    _check_bundle,
    lambda: [(".zip", zipped(_seed_bundle())), *_seed_files().items()],
)

NETWORK = Target(
    "damaged networks, loaded and run",
    _network_cases,
    _check_network,
    lambda: [("audio.onnx", _seed_files()["audio.onnx"])],
    native=True,
)
