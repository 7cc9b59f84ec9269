from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine
from emostream.engines.backends.tensorrt import engine as tensorrt
from emostream.engines.backends.tensorrt.cuda import Gpu, find_gpu
from emostream.engines.backends.tensorrt.engine import TensorRTEngine
from emostream.engines.backends.tensorrt.flavour import Flavour, find_flavour, refuse_gpu
from emostream.engines.backends.tensorrt.fp16 import to_fp16
from emostream.engines.backends.tensorrt.numerics import Fp16OnnxRuntimeEngine
from emostream.engines.backends.tensorrt.plans import CompiledNetwork
from emostream.engines.bundle import Bundle
from emostream.engines.engine import Batch, Embeddings
from emostream.engines.errors import EngineError
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH
from emostream.engines.starter import STARTER
from emostream.engines.tensors import NETWORK_ROLES
from tests.engines.fake_gpu import FakeCuda, FakeTensorRT

BUNDLE = Bundle.load(STARTER)
FAKE = Flavour("tensorrt", "11.0", FakeTensorRT)

BATCHES = {
    "one segment": (1, 1, ((0, 0),)),
    "voice alone": (2, 0, ()),
    "face alone": (0, 2, ()),
    "neither": (0, 0, ()),
    "mixed, out of order": (4, 3, ((3, 0), (1, 2))),
    "more voices than fit at once": (7, 2, ((6, 1),)),
    "more pairs than fit at once": (5, 6, ((0, 5), (1, 4), (2, 3), (3, 2), (4, 1))),
}


def _batch(voices: int, faces: int, pairs: tuple[tuple[int, int], ...]) -> Batch:
    rng = np.random.default_rng(voices * 10 + faces)
    mel = rng.standard_normal((voices, 3, 64, 64)).astype(np.float32)
    clip = rng.integers(0, 256, (faces, CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3)).astype(np.uint8)
    return Batch(mel, clip, pairs)


def _assert_equal(found: Embeddings, expected: Embeddings, limit: float) -> None:
    for name in ("audio", "video", "fused"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.shape == theirs.shape
        assert ours.dtype == np.float32
        if ours.size:
            errors = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
            assert errors.max() < limit, name


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[TensorRTEngine]:
    monkeypatch.setattr(tensorrt, "Cuda", FakeCuda)
    monkeypatch.setattr(tensorrt, "find_gpu", lambda: Gpu("Fake", (9, 0)))
    monkeypatch.setattr(
        tensorrt,
        "plans_of",
        lambda bundle, *_: (
            CompiledNetwork(r, to_fp16(bundle.network_file(r)).SerializeToString(), None) for r in NETWORK_ROLES
        ),
    )
    with TensorRTEngine(BUNDLE, FAKE, largest=4) as engine:
        yield engine


@pytest.fixture(scope="module")
def half() -> Iterator[Fp16OnnxRuntimeEngine]:
    with Fp16OnnxRuntimeEngine(BUNDLE, cuda=False) as engine:
        yield engine


@pytest.mark.parametrize("name", BATCHES)
def test_batches_of_any_make_up_give_what_the_networks_give(
    name: str, fake: TensorRTEngine, half: Fp16OnnxRuntimeEngine
) -> None:
    batch = _batch(*BATCHES[name])
    for _ in range(3):  # plainly, captured, and from a graph
        _assert_equal(fake.embed(batch), half.embed(batch), 1e-3)


def test_what_is_launched_again_sees_new_inputs(fake: TensorRTEngine, half: Fp16OnnxRuntimeEngine) -> None:
    launched = FakeCuda.current.launched
    for seed in range(3):
        batch = _batch(2, 2, ((0, 0), (1, 1)))
        batch.mel[:] = np.random.default_rng(seed).standard_normal(batch.mel.shape)
        _assert_equal(fake.embed(batch), half.embed(batch), 1e-3)
    assert FakeCuda.current.launched == launched + 3  # the warm-up has captured it


def test_it_runs_without_graphs_where_nothing_can_be_captured(
    fake: TensorRTEngine, half: Fp16OnnxRuntimeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise EngineError("CUDA failed: operation not permitted when stream is capturing")

    monkeypatch.setattr(FakeCuda, "graph", refuse)
    batch = _batch(3, 2, ((0, 0),))
    for _ in range(2):
        _assert_equal(fake.embed(batch), half.embed(batch), 1e-3)


def test_it_names_its_device_and_precision(fake: TensorRTEngine) -> None:
    assert (fake.name, fake.device, fake.precision) == ("tensorrt", "Fake", "fp16")


def test_a_plan_that_cannot_be_loaded_is_reported(fake: TensorRTEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt, "plans_of", lambda *_: iter([CompiledNetwork("audio", b"damaged", None)]))
    with (
        pytest.raises(
            EngineError, match=r"tensorrt 11\.0 can't load the audio plan: the plan is damaged; `emostream e"
        ),
        TensorRTEngine(BUNDLE, FAKE),
    ):
        pass


def _gpu() -> Gpu | str:
    try:
        return find_gpu()
    except EngineError as error:
        return str(error)


@pytest.mark.skipif(isinstance(_gpu(), Gpu), reason="this machine has a GPU")
def test_without_a_gpu_the_reason_is_one_line_with_a_remedy() -> None:
    reason = str(_gpu())
    assert "\n" not in reason
    assert "--engine openvino" in reason or "pip install" in reason


@pytest.mark.parametrize("name", BATCHES)
def test_on_a_real_gpu_the_embeddings_stay_within_a_percent(name: str) -> None:
    gpu = _gpu()
    if isinstance(gpu, str):
        pytest.skip(f"needs a GPU: {gpu}")
    try:
        refuse_gpu(find_flavour(), gpu.capability)
    except EngineError as error:
        pytest.skip(str(error))
    batch = _batch(*BATCHES[name])
    with OnnxRuntimeEngine(BUNDLE, cuda=False) as exact, TensorRTEngine(BUNDLE, largest=4) as engine:
        expected = exact.embed(batch)
        for _ in range(3):
            _assert_equal(engine.embed(batch), expected, 0.01)
