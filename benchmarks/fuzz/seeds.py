"""Small sound inputs that mutations start from."""

from __future__ import annotations

import io
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from emostream.engines.heads import HEAD_NAMES, LinearSVM, save_heads
from emostream.engines.manifest import FORMAT_VERSION, HEADS_FILE, Manifest, NetworkSpec, write_manifest
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, FRONTEND, MEL_BANDS, MEL_FRAMES
from emostream.engines.tensors import NetworkRole, TensorSpec

__all__ = ["media_files", "tiny_bundle", "tiny_network", "zipped"]

_SIZE = 4  # of each embedding
_SHAPES: dict[NetworkRole, dict[str, tuple[int, ...]]] = {
    "audio": {"mel": (3, MEL_BANDS, MEL_FRAMES)},
    "video": {"clip": (CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3)},
    "fusion": {"audio": (_SIZE,), "video": (_SIZE,)},
}


def tiny_network(role: NetworkRole) -> ModelProto:
    """A network that fits a bundle and does next to nothing: means of its inputs, times a matrix."""
    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.UINT8 if name == "clip" else TensorProto.FLOAT, ["batch", *shape]
        )
        for name, shape in _SHAPES[role].items()
    ]
    nodes, means = [], []
    for name, shape in _SHAPES[role].items():
        nodes.append(helper.make_node("Cast", [name], [f"{name}.f"], to=TensorProto.FLOAT))
        axes = "axes" if len(shape) > 1 else ""
        kept = f"{name}.mean" if axes else f"{name}.f"
        if axes:
            nodes.append(helper.make_node("ReduceMean", [f"{name}.f", axes], [kept], keepdims=0))
        means.append(kept)
    width = sum(shape[0] for shape in _SHAPES[role].values())
    weight = np.linspace(-1, 1, width * _SIZE, dtype=np.float32).reshape(width, _SIZE)
    weights = [numpy_helper.from_array(weight, "weight")]
    longest = max(map(len, _SHAPES[role].values()))
    if longest > 1:
        weights.append(numpy_helper.from_array(np.arange(2, longest + 1, dtype=np.int64), "axes"))
    nodes.append(helper.make_node("Concat", means, ["all"], axis=1))
    nodes.append(helper.make_node("MatMul", ["all", "weight"], ["embedding"]))
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", _SIZE])
    graph = helper.make_graph(nodes, role, inputs, [output], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])


def tiny_bundle(folder: Path) -> Path:
    """Write a bundle of a few kilobytes, which every engine runs."""
    folder.mkdir(parents=True)
    networks: dict[NetworkRole, NetworkSpec] = {}
    for role, inputs in _SHAPES.items():
        (folder / f"{role}.onnx").write_bytes(tiny_network(role).SerializeToString())
        specs = tuple(TensorSpec(name, "uint8" if name == "clip" else "float32", s) for name, s in inputs.items())
        networks[role] = NetworkSpec(f"{role}.onnx", specs, TensorSpec("embedding", "float32", (_SIZE,)))
    one = np.ones(1, np.float32)
    head = LinearSVM(np.ones((1, _SIZE), np.float32), one, -one, one)
    save_heads(folder / HEADS_FILE, dict.fromkeys(HEAD_NAMES, head))
    write_manifest(
        folder,
        Manifest(
            format=FORMAT_VERSION,
            name="tiny",
            preset="tiny",
            trained=False,
            labels=("calm", "joy"),
            frontend={**FRONTEND, "level": "none"},
            networks=networks,
            files={},
            training={},
            figures={},
            licence="Apache-2.0",
        ),
    )
    return folder


def zipped(folder: Path, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A folder's files as a .zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for file in sorted(folder.iterdir()):
            archive.writestr(file.name, file.read_bytes())
    return packed.getvalue()


def media_files(folder: Path) -> list[Path]:
    """Half a second of picture and sound in the containers that users bring."""
    forms: list[tuple[str, str | None, str | None]] = [
        ("clip.mp4", "mpeg4", "aac"),
        ("clip.mkv", "libx264", "flac"),
        ("voice.wav", None, "pcm_s16le"),
        ("camera.mjpeg", "mjpeg", None),
        ("voice.ogg", None, "libopus"),
    ]
    return [_write_media(folder / name, video, audio) for name, video, audio in forms]


def _write_media(file: Path, video: str | None, audio: str | None) -> Path:
    rng = np.random.default_rng(0)
    with av.open(str(file), "w") as container:
        if video:
            pictures = container.add_stream(video, rate=10)
            pictures.width, pictures.height = 64, 48
            pictures.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
        if audio:
            sound = container.add_stream(audio, rate=16_000, layout="mono")
        if video:
            for n in range(5):
                image = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts, picture.time_base = n, Fraction(1, 10)
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        if audio:
            noise = rng.normal(0, 3000, (1, 8000)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            frame.rate, frame.pts = 16_000, 0
            resampler = av.AudioResampler(sound.format.name, "mono", 16_000 if audio != "libopus" else 48_000)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return file
