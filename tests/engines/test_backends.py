"""OpenVINO against ONNX Runtime in fp32, and batches against single segments."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from emostream.engines.backends import choose
from emostream.engines.backends.choose import choose_engine
from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine
from emostream.engines.backends.openvino import engine as openvino_engine
from emostream.engines.backends.openvino.engine import OpenVinoEngine, _reason
from emostream.engines.backends.tensorrt.cuda import Gpu
from emostream.engines.backends.tensorrt.flavour import Flavour
from emostream.engines.bundle import Bundle
from emostream.engines.engine import Batch
from emostream.engines.errors import ConfigError, EngineError
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.recognizer import Recognizer

ENGINES = {
    "onnxruntime": lambda bundle: OnnxRuntimeEngine(bundle),
    "openvino fp32": lambda bundle: OpenVinoEngine(bundle, "fp32"),
    "openvino auto": lambda bundle: OpenVinoEngine(bundle, "auto"),
}


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return Bundle.load(bundle_folder)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(5)
    mel = rng.normal(-6, 4, (8, 3, 64, 64)).astype(np.float32)
    smooth = rng.integers(0, 255, (8, 4, 10, 8, 3)).repeat(4, 1).repeat(15, 2).repeat(14, 3)[..., :110, :]
    return Batch(mel, np.ascontiguousarray(smooth, np.uint8), tuple((i, i) for i in range(8)))


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_the_paper_at_full_size_runs_in_openvino(tmp_path, batch):
    from emostream.trainer.networks.presets import PAPER
    from emostream.trainer.untrained import write_untrained

    write_untrained(tmp_path / "paper", PAPER, ("a", "b"), name="paper", seed=0)
    paper = Bundle.load(tmp_path / "paper")
    one = Batch(batch.mel[:1], batch.clip[:1], ((0, 0),))
    with OnnxRuntimeEngine(paper) as reference, OpenVinoEngine(paper, "fp32") as engine:
        expected, found = reference.embed(one), engine.embed(one)
    for name in ("audio", "video", "fused"):
        assert relative(getattr(found, name), getattr(expected, name)) < 1e-4


def test_openvino_equals_onnxruntime(bundle, batch):
    with OnnxRuntimeEngine(bundle) as reference, OpenVinoEngine(bundle, "fp32") as engine:
        expected, found = reference.embed(batch), engine.embed(batch)
        auto = OpenVinoEngine(bundle, "auto")
        with auto:
            quick = auto.embed(batch)
    for name in ("audio", "video", "fused"):
        assert relative(getattr(found, name), getattr(expected, name)) < 1e-4
        assert relative(getattr(quick, name), getattr(expected, name)) < 2e-2  # bf16 where the processor has it
    assert auto.precision in ("fp32", "bf16")


@pytest.mark.parametrize("name", ENGINES)
def test_batch_1_and_batch_8_give_the_same(bundle, batch, name):
    with ENGINES[name](bundle) as engine:
        whole = engine.embed(batch)
        single = [engine.embed(Batch(batch.mel[i : i + 1], batch.clip[i : i + 1], ((0, 0),))) for i in range(8)]
    for kind in ("audio", "video", "fused"):
        alone = np.concatenate([getattr(one, kind) for one in single])
        assert relative(getattr(whole, kind), alone) < (1e-2 if engine.precision == "bf16" else 1e-5)


def test_repeated_runs_are_identical(bundle, batch):
    with OpenVinoEngine(bundle) as engine:
        first, second = engine.embed(batch), engine.embed(batch)
    np.testing.assert_array_equal(first.fused, second.fused)


def segment(batch: Batch, index: int, *, audio: bool, video: bool) -> Segment:
    return Segment(
        index=index,
        samples=None,
        mel=batch.mel[index] if audio else None,
        clip=batch.clip[index] if video else None,
        ticks=(),
        audio_reason=None if audio else "no_voice",
        video_reason=None if video else "no_face",
        speech_first=0,
        speech=(),
        box=None,
        frame_size=None,
    )


def test_recognizer_sorts_out_missing_modalities(bundle, batch):
    present = [(True, True), (True, False), (False, True), (False, False), (True, True)]
    segments = [segment(batch, i, audio=a, video=v) for i, (a, v) in enumerate(present)]
    with OnnxRuntimeEngine(bundle) as engine:
        recognizer = Recognizer(bundle, engine)
        features = recognizer.embed(segments)
        alone = [recognizer.embed([each])[0] for each in segments]
    assert [f.head for f in features] == ["fused", "audio", "video", None, "fused"]
    for (audio, video), one, other in zip(present, features, alone, strict=True):
        assert [one.audio is not None, one.video is not None, one.fused is not None] == [audio, video, audio and video]
        for head in ("audio", "video", "fused"):
            if one.get(head) is not None:
                np.testing.assert_allclose(one.get(head), other.get(head), rtol=1e-4, atol=1e-5)
    scores = recognizer.score("fused", features[0].fused)
    assert sum(scores.by_label.values()) == pytest.approx(1.0)
    assert scores.by_label[scores.label] == max(scores.by_label.values())


def _choice(monkeypatch, flavours, gpu):
    def find():
        if isinstance(gpu, str):
            raise EngineError(gpu)
        return gpu

    monkeypatch.setattr(choose, "is_installed", lambda: bool(flavours))
    monkeypatch.setattr(choose, "find_flavour", lambda: flavours[0])
    monkeypatch.setattr(choose, "find_gpu", find)


RTX = Flavour("tensorrt_rtx", "1.7", SimpleNamespace(ComputeCapability=SimpleNamespace(__members__=["NONE", "SM89"])))
FULL = Flavour("tensorrt", "11.0", None)


@pytest.mark.parametrize(
    ("flavours", "gpu", "line"),
    [
        ((), "no GPU", "openvino on the CPU, the default where no GPU engine is installed"),
        ((RTX,), "no GPU can be reached", "openvino on the CPU, since no GPU can be reached"),
        ((RTX,), Gpu("A", (8, 9)), "tensorrt_rtx 1.7 on the GPU, since there is a A (8.9)"),
        ((FULL, RTX), Gpu("B", (9, 0)), "tensorrt 11.0 on the GPU, since there is a B (9.0)"),
    ],
)
def test_auto_takes_the_gpu_where_one_is_served(bundle, monkeypatch, flavours, gpu, line):
    _choice(monkeypatch, flavours, gpu)
    engine, reason = choose_engine("auto", bundle)
    assert (engine.name, reason) == ("tensorrt" if "GPU, since" in line else "openvino", line)


def test_auto_says_that_the_gpu_is_not_served(bundle, monkeypatch):
    _choice(monkeypatch, (RTX,), Gpu("H200", (9, 0)))
    engine, reason = choose_engine("auto", bundle)
    assert engine.name == "openvino"
    assert reason.startswith("openvino on the CPU, since tensorrt_rtx 1.7 has no plans for compute capability 9.0")


def test_a_precision_chooses_among_the_engines(bundle, monkeypatch):
    _choice(monkeypatch, (RTX,), Gpu("A", (8, 9)))
    assert choose_engine("auto", bundle, "bf16")[1] == "openvino on the CPU, the default for bf16"
    assert choose_engine("auto", bundle, "fp16")[1] == "tensorrt_rtx 1.7 on the GPU, the default for fp16"


def test_a_wrong_choice_is_refused(bundle):
    with pytest.raises(ConfigError, match="no engine 'cuda'; expected one of auto, openvino, onnxruntime, tensorrt"):
        choose_engine("cuda", bundle)
    with pytest.raises(
        ConfigError, match="onnxruntime computes in fp32, not bf16; take --precision auto or --engine o"
    ):
        choose_engine("onnxruntime", bundle, "bf16")
    with pytest.raises(
        ConfigError, match="tensorrt computes in fp16, not fp32; take --precision auto or --engine openvino or onnx"
    ):
        choose_engine("tensorrt", bundle, "fp32")
    with pytest.raises(ConfigError, match="there is no precision 'fp7'; expected auto, bf16, fp16, fp32"):
        choose_engine("openvino", bundle, "fp7")


def test_a_named_engine_that_is_not_installed_is_refused(bundle, monkeypatch):
    monkeypatch.setattr(choose, "find_flavour", lambda: (_ for _ in ()).throw(EngineError("TensorRT is not installed")))
    with pytest.raises(EngineError, match="TensorRT is not installed"):
        choose_engine("tensorrt", bundle)


@pytest.mark.parametrize("make", [OnnxRuntimeEngine, OpenVinoEngine])
def test_a_network_that_is_none(bundle, tmp_path, make):
    file = tmp_path / "audio.onnx"
    file.write_bytes(b"no onnx")
    broken = type("Broken", (), {"network_file": lambda self, role: file, "sha256": "0" * 64})()
    with pytest.raises(EngineError, match="can't load"), make(broken):
        pass


def test_openvino_says_what_is_wrong(bundle, tmp_path):
    file = tmp_path / "audio.onnx"
    file.write_bytes(b"no onnx")
    broken = type("Broken", (), {"network_file": lambda self, role: file, "sha256": "0" * 64})()
    with pytest.raises(EngineError, match="Unable to read the model") as caught, OpenVinoEngine(broken):
        pass
    assert "Exception from" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Exception from a.cpp:1:\nException from b.cpp:2:\n the reason \n\n", "the reason"),
        ("the reason\nand more", "the reason"),
        (" \n", "RuntimeError"),
    ],
)
def test_the_line_of_a_message(text, line):
    assert _reason(RuntimeError(text)) == line


def test_compiled_networks_are_kept(bundle, batch, tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path / "cache"))
    with OpenVinoEngine(bundle) as engine:
        engine.embed(batch)
    assert len(list((tmp_path / "cache" / "openvino").iterdir())) == 3


def test_a_cache_that_can_not_be_written_does_not_stop_openvino(bundle, batch, tmp_path, monkeypatch, caplog):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path / "cache"))
    with caplog.at_level("DEBUG", "emostream"), OpenVinoEngine(bundle) as engine:
        assert engine.embed(batch).fused.shape[0] == 8
    assert "can't be written" in caplog.text


# Telemetry is sent by a forked child, which inherits the hook and the pipe, and swallows the error.
LOAD_AND_WATCH = """
import os, sys

def watch(event, args):
    if event.startswith(("socket.getaddrinfo", "socket.gethostby", "socket.connect", "urllib.")):
        os.write(1, f"{event} {args}\\n".encode())
        raise PermissionError(event)

sys.addaudithook(watch)
from emostream.engines.backends.openvino.engine import OpenVinoEngine
from emostream.engines.bundle import Bundle
from emostream.engines.backends.tensorrt.flavour import Flavour

with OpenVinoEngine(Bundle.load(sys.argv[1])):
    os.write(1, b"loaded\\n")
"""


def test_a_cache_that_fails_does_not_stop_openvino(bundle, batch, monkeypatch):
    """Two processes that fill OpenVINO's cache at once may each find that the other has moved its file."""
    real = openvino_engine.openvino_core()
    asked = []

    class Core:
        get_property = real.get_property

        def compile_model(self, file, device, options):
            asked.append("CACHE_DIR" in options)
            if asked[-1]:
                raise RuntimeError("filesystem error: cannot set permissions: No such file or directory")
            return real.compile_model(file, device, options)

    with OpenVinoEngine(bundle, "fp32") as engine:
        expected = engine.embed(batch)
    monkeypatch.setattr(openvino_engine, "openvino_core", Core)
    with OpenVinoEngine(bundle, "fp32") as engine:
        np.testing.assert_array_equal(engine.embed(batch).fused, expected.fused)
    assert asked == [True, False] * 3


def test_openvino_tells_nobody(bundle_folder, tmp_path):
    unset = ("CI", "TF_BUILD", "JENKINS_URL", "XDG_CACHE_HOME")  # where the first three are set, nothing is sent anyway
    env = {name: value for name, value in os.environ.items() if name not in unset} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_AND_WATCH, str(bundle_folder)], env=env, capture_output=True, text=True, timeout=100
    )
    assert (done.stdout, done.returncode) == ("loaded\n", 0), done.stderr
    assert not (tmp_path / "intel").exists()
