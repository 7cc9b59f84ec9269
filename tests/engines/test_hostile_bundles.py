"""Bundles that were made to do harm: each gets one line that names the file, and nothing else happens."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import struct
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from benchmarks.fuzz.seeds import tiny_bundle, tiny_network, zipped
from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine
from emostream.engines.backends.openvino.engine import OpenVinoEngine
from emostream.engines.bundle import Bundle, Manifest, write_manifest
from emostream.engines.engine import Batch
from emostream.engines.errors import BundleError, EngineError
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.recognizer import Recognizer


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("emostream.engines.bundle.platformdirs.user_cache_dir", lambda _: str(tmp_path / "cache"))
    return tiny_bundle(tmp_path / "tiny")


def rehash(folder: Path) -> None:
    """Let the manifest vouch for the files as they are now."""
    write_manifest(folder, msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest))


def refused(path: Path | str, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        Bundle.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1500
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# Archives


def with_members(packed: bytes, *members: tuple[str, bytes], mode: int = 0) -> bytes:
    stream = io.BytesIO(packed)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return stream.getvalue()


@pytest.mark.fault(
    "Bundle that would write elsewhere",
    "a .zip with `../`, absolute paths, drives",
    "such members are passed over; nothing is written outside",
)
@pytest.mark.parametrize(
    "name",
    ["../escaped", "../../escaped", "/tmp/escaped", "C:\\escaped", "..\\escaped", "a/../../escaped", "audio.onnx/"],
)
def test_members_that_lead_out_are_never_unpacked(folder, tmp_path, name):
    archive = tmp_path / "b.zip"
    archive.write_bytes(with_members(zipped(folder), (name, b"x")))
    before = set(tmp_path.rglob("*"))
    unpacked = Bundle.load(archive).folder
    new = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert {path.parent for path in new} == {unpacked}
    assert {path.name for path in new} == {path.name for path in folder.iterdir()}
    assert not [path for path in tmp_path.parent.rglob("*") if "escaped" in path.name]


@pytest.mark.parametrize(
    "name", ["../audio.onnx", "/etc/audio.onnx", "C:audio.onnx", "..\\audio.onnx", "a/audio.onnx", "audio.xml"]
)
def test_manifests_that_name_other_places(folder, tmp_path, name):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["networks"]["audio"]["file"] = name
    manifest["files"][name] = manifest["files"].pop("audio.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    refused(folder, r"expected a plain file name that ends in \.onnx")
    archive = tmp_path / "b.zip"
    archive.write_bytes(with_members(zipped(folder), (name, (folder / "audio.onnx").read_bytes())))
    refused(archive, r"expected a plain file name that ends in \.onnx")
    assert not list((tmp_path / "cache").rglob("*.onnx"))


def test_links_in_an_archive_are_but_bytes(folder, tmp_path):
    (folder / "audio.onnx").unlink()
    archive = tmp_path / "b.zip"
    archive.write_bytes(with_members(zipped(folder), ("audio.onnx", b"/etc/passwd"), mode=0o120777))
    refused(archive, r"audio\.onnx has SHA-256")


def test_names_that_come_twice(folder, tmp_path):
    archive = tmp_path / "b.zip"
    for name in ("audio.onnx", "manifest.json"):
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write_bytes(with_members(zipped(folder), (name, b"{}")))
        refused(archive, f"holds '{name}' 2 times; make the .zip again")


@pytest.mark.fault(
    "Bundle that would fill the memory or the disk",
    "a .zip that unpacks to gigabytes",
    "refused in one line",
)
def test_a_bomb(folder, tmp_path):
    (folder / "heads.npz").unlink()
    archive = tmp_path / "b.zip"
    archive.write_bytes(with_members(zipped(folder), ("heads.npz", bytes(8 << 20))))
    refused(archive, "bytes are packed into .*, as no bundle's are")
    assert not (tmp_path / "cache").exists()


def directory_entry(packed: bytes, name: str) -> int:
    """Where the central directory's entry of a member begins."""
    return packed.rindex(b"PK\x01\x02", 0, packed.rindex(name.encode()))


@pytest.mark.parametrize("stated", [10, 2**32 - 2])
def test_sizes_that_are_not_true(folder, tmp_path, stated):
    packed = bytearray(zipped(folder))
    at = directory_entry(bytes(packed), "audio.onnx")
    packed[at + 24 : at + 28] = struct.pack("<I", stated)
    (tmp_path / "b.zip").write_bytes(packed)
    refused(tmp_path / "b.zip", r"audio\.onnx|packed into|bytes, expected at most")
    assert not list((tmp_path / "cache").rglob("*.onnx"))


def test_a_place_that_is_nowhere(folder, tmp_path):
    """A 64-bit place in the file, which is more than a seek can take."""
    packed = bytearray(zipped(folder))
    at = directory_entry(bytes(packed), "audio.onnx")
    name, extra = struct.unpack("<HH", packed[at + 28 : at + 32])
    assert extra == 0
    packed[at + 42 : at + 46] = b"\xff" * 4
    packed[at + 30 : at + 32] = struct.pack("<H", 12)
    more = struct.pack("<HHQ", 1, 8, 2**64 - 16)
    packed[at + 46 + name : at + 46 + name] = more
    end = packed.rindex(b"PK\x05\x06")
    packed[end + 12 : end + 16] = struct.pack("<I", struct.unpack("<I", packed[end + 12 : end + 16])[0] + len(more))
    (tmp_path / "b.zip").write_bytes(packed)
    refused(tmp_path / "b.zip", "copy (it|the bundle) again")


def test_a_directory_of_many_members_is_not_read(folder, tmp_path):
    members = [(f"{n:0200}", b"") for n in range(5000)]
    (tmp_path / "b.zip").write_bytes(with_members(zipped(folder), *members))
    refused(tmp_path / "b.zip", "its directory is larger than 1 MiB")


# Folders


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("name", ["manifest.json", "audio.onnx", "heads.npz"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "nowhere"])
def test_what_is_no_file_is_not_read(folder, name, kind):
    (folder / name).unlink()
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        targets = {"device": "/dev/zero", "loop": folder / name, "nowhere": folder / "nothing"}
        (folder / name).symlink_to(targets[kind])
    refused(folder, r"no plain file|can't be read|is missing|has no manifest")


def test_a_link_to_another_file_is_judged_by_its_content(folder, tmp_path):
    """Stores of models keep their files elsewhere; only what the manifest vouches for is taken."""
    shutil.move(folder / "audio.onnx", tmp_path / "blob")
    (folder / "audio.onnx").symlink_to(tmp_path / "blob")
    Bundle.load(folder)
    (tmp_path / "blob").write_bytes(b"something else")
    refused(folder, r"audio\.onnx has SHA-256")


def test_more_than_any_bundle_has(folder, monkeypatch):
    monkeypatch.setattr("emostream.engines.bundle.MAX_BYTES", 100)
    refused(folder, "its files have .* bytes, expected at most 100")


def test_a_path_that_can_not_be(folder):
    refused("no\0path", r"can't be read")


# Manifests


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": 10**4000}, "update emostream"),
        ({"format": "9" * 500_000}, "make the bundle again"),
        ({"format": [[[]]]}, "has format"),
        ({"name": "\x1b[2J"}, "has the name .*can be shown"),
        ({"name": "a\nb"}, "has the name"),
        ({"name": ""}, "has the name"),
        ({"preset": "p" * 101}, "has the preset"),
        ({"labels": [f"l{n}" for n in range(101)]}, "at most 100"),
        ({"labels": ["x" * 900_000, "b"]}, "label"),
        ({"trained": "yes"}, "not valid"),
        ({"training": []}, "not valid"),
        ({"files": {"audio.onnx": 1}}, "not valid"),
        ({"files": {"x" * 900_000: "0" * 64}}, "lists files"),
        ({"x" * 900_000: 1}, "not valid"),
    ],
)
def test_manifests_of_other_forms(folder, changes, match):
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    refused(folder, match)


@pytest.mark.parametrize("place", ["format", "frontend", "training"])
@pytest.mark.parametrize("depth", [100, 400, 900, 100_000])
def test_deep_manifests(folder, place, depth):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest[place] = {"sample_rate": "DEEP"} if place == "frontend" else "DEEP"
    file.write_text(json.dumps(manifest).replace('"DEEP"', "[" * depth + "]" * depth))
    refused(folder, r"manifest\.json")


# Heads


def put_heads(folder: Path, **changes: object) -> None:
    arrays = dict(np.load(folder / "heads.npz"))
    np.savez_compressed(folder / "heads.npz", **{**arrays, **changes})
    rehash(folder)


class Harm:
    def __reduce__(self):
        return (os.mkdir, ("harm-done",))


@pytest.mark.fault(
    "Bundle that would run code",
    "pickles in its arrays",
    "refused in one line; nothing runs",
)
def test_pickles_in_heads_are_not_read(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_heads(folder, audio_bias=np.array([Harm()], dtype=object))
    refused(folder, r"heads\.npz: Object arrays cannot be loaded")
    harm = io.BytesIO()
    np.lib.format.write_array(harm, np.array([Harm()], dtype=object))
    (folder / "heads.npz").write_bytes(harm.getvalue()[harm.getvalue().index(b"\x80") :])
    rehash(folder)
    refused(folder, r"heads\.npz: .*make the bundle again")
    assert not (tmp_path / "harm-done").exists()


def raw_header(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


@pytest.mark.fault(
    "Bundle whose arrays lie about themselves",
    "headers that claim terabytes, are no headers, hold code or 9000 brackets",
    "refused in one line; memory does not grow",
)
@pytest.mark.parametrize(
    "array",
    [
        raw_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({1 << 40},), }}"),
        raw_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({1 << 70},), }}"),
        raw_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", b"\0" * 4),
        raw_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0), }"),
        raw_header("{'descr': '|V2000000000', 'fortran_order': False, 'shape': (1,), }"),
        raw_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\x80\x04N."),
        raw_header(f"{{'descr': {'[' * 150}'<f4'{']' * 150}, 'fortran_order': False, 'shape': (1,), }}"),
        raw_header("-" * 9000 + "1"),
        raw_header("(" * 9000),
        raw_header("9" * 9000),
        raw_header("__import__('os').mkdir('harm-done')"),
        raw_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", struct.pack("<f", float("inf"))),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
)
def test_arrays_that_state_anything(folder, tmp_path, monkeypatch, array):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(folder / "heads.npz") as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(folder / "heads.npz", "w") as new:
        for name, data in (members | {"audio_bias.npy": array}).items():
            new.writestr(name, data)
    rehash(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, r"heads\.npz: .*; expected the heads of a bundle: make the bundle again")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KB
    assert not (tmp_path / "harm-done").exists()


def test_heads_that_unpack_without_end(folder, monkeypatch):
    monkeypatch.setattr("emostream.engines.heads._MAX_BYTES", 1 << 20)
    put_heads(folder, more=np.zeros(1 << 19, np.float32))
    refused(folder, r"heads\.npz: has arrays of .* bytes, expected at most 1,048,576")


# Networks


def put_network(folder: Path, model: ModelProto | bytes) -> None:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    (folder / "audio.onnx").write_bytes(data)
    rehash(folder)


def external(tensor: TensorProto, location: str) -> TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


@pytest.mark.fault(
    "Bundle that would read files of the machine",
    "an ONNX network whose weights are in other files",
    "refused in one line",
)
@pytest.mark.parametrize("location", ["/etc/passwd", "../../secret", "weights.bin", "video.onnx"])
@pytest.mark.parametrize("place", ["weight", "constant", "sparse", "branch", "function", "training"])
def test_weights_in_other_files_are_refused(folder, place, location):
    model = tiny_network("audio")
    tensor = external(helper.make_tensor("stolen", TensorProto.FLOAT, [3, 4], np.zeros(12)), location)
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    if place == "weight":
        external(model.graph.initializer[0], location)
    elif place == "constant":
        model.graph.node.append(constant)
    elif place == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    elif place == "branch":
        inner = helper.make_graph([constant], "g", [], [])
        for _ in range(20):
            inner = helper.make_graph([helper.make_node("If", ["c"], ["d"], then_branch=inner)], "g", [], [])
        model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner))
    elif place == "function":
        model.functions.add().node.append(constant)
    else:
        model.training_info.add().algorithm.initializer.append(tensor)
    put_network(folder, model)
    refused(folder, r"audio\.onnx keeps weights in another file, which a bundle may not; make the bundle again")


def test_operators_of_a_runtime_are_refused(folder):
    model = tiny_network("audio")
    node = helper.make_node(
        "EPContext", [], ["x"], domain="com.microsoft", ep_cache_context="/etc/passwd", embed_mode=0
    )
    model.graph.node.append(node)
    put_network(folder, model)
    refused(folder, r"audio\.onnx has an operator of the domain 'com\.microsoft', expected ONNX's own")


@pytest.mark.fault(
    "Bundle that computes nonsense",
    "weights that are NaN or infinite",
    "refused in one line, which names the tensor",
)
@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(folder, kind, value):
    model = tiny_network("audio")
    weight = np.ones((3, 4), kind)
    weight[2, 3] = value
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    put_network(folder, model)
    refused(folder, r"audio\.onnx holds values that are not finite in 'w'")
    if kind is not np.float16:
        element = helper.np_dtype_to_tensor_dtype(weight.dtype)
        model.graph.initializer[-1].CopyFrom(helper.make_tensor("w", element, (3, 4), weight))
        put_network(folder, model)
        refused(folder, r"audio\.onnx holds values that are not finite in 'w'")


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 20, 1 << 20], [-1], [2**62] * 60, [1] * 100, [30, 30]])
def test_tensors_that_are_larger_than_what_they_hold(folder, dims):
    model = tiny_network("audio")
    model.graph.initializer[0].dims[:] = dims
    put_network(folder, model)
    refused(folder, r"audio\.onnx (claims .* elements for 'weight', and holds|has a tensor of more than 64 dimensions)")


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"<xml/>", b"\x80" * 100, b"\x3a\xff\xff\xff\xff\x0f", b"\x3b" * 20, bytes(100), b"\x08\x08"],
)
def test_what_is_no_network(folder, data):
    put_network(folder, data)
    refused(folder, r"audio\.onnx .*; make the bundle again")


def test_networks_of_endless_parts(folder, monkeypatch):
    monkeypatch.setattr("emostream.engines.onnx_file._MAX_FIELDS", 500)
    put_network(folder, tiny_network("audio").SerializeToString() + b"\x08\x08" * 500)
    refused(folder, r"audio\.onnx has more than 500 parts")


def test_graphs_in_graphs_without_end(folder):
    inner = b""
    for _ in range(3000):
        graph = AttributeProto(name="then_branch", type=AttributeProto.GRAPH).SerializeToString()
        graph += b"\x32" + _length(inner) + inner
        node = b"\x2a" + _length(graph) + graph
        inner = b"\x0a" + _length(node) + node
    put_network(folder, b"\x3a" + _length(inner) + inner)
    bundle = Bundle.load(folder)
    for make in (OpenVinoEngine, OnnxRuntimeEngine):
        with pytest.raises(EngineError, match=r"can't load .*audio\.onnx"), make(bundle):
            pass


def _length(data: bytes) -> bytes:
    size, out = len(data), bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size])


# What comes out of a network


def segment() -> Segment:
    return Segment(0, None, np.zeros((3, 64, 64), np.float32), None, (), None, "off", 0, (), None, None)


@pytest.mark.parametrize("make", [OpenVinoEngine, OnnxRuntimeEngine])
def test_networks_whose_output_is_of_another_size(folder, make):
    model = tiny_network("audio")
    del model.graph.node[-1:]
    model.graph.node.append(helper.make_node("Concat", ["all", "all"], ["embedding"], axis=1))
    del model.graph.output[0].type.tensor_type.shape.dim[1:]
    model.graph.output[0].type.tensor_type.shape.dim.add()
    put_network(folder, model)
    batch = Batch(np.zeros((2, 3, 64, 64), np.float32), np.zeros((0, 16, 150, 110, 3), np.uint8), ())
    with make(Bundle.load(folder)) as engine, pytest.raises(EngineError, match=r"gave \[2, 6\] .* says \[2, 4\]"):
        engine.embed(batch)


@pytest.mark.parametrize("make", [OpenVinoEngine, OnnxRuntimeEngine])
def test_networks_that_give_no_finite_values(folder, make):
    model = tiny_network("audio")
    model.graph.node[-1].output[0] = "zero"
    model.graph.node.append(helper.make_node("Log", ["zero"], ["embedding"]))
    put_network(folder, model)
    bundle = Bundle.load(folder)
    with make(bundle) as engine, pytest.raises(EngineError, match=r"the audio network .* values that are not finite"):
        Recognizer(bundle, engine).embed([segment()])
