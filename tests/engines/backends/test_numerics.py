from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine
from emostream.engines.backends.tensorrt.fp16 import half_tensors
from emostream.engines.backends.tensorrt.numerics import HEADROOM, examine
from emostream.engines.bundle import Bundle
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.offline import OfflineRecording
from emostream.engines.recognizer import Recognizer
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, MEL_BANDS, MEL_FRAMES
from emostream.engines.starter import STARTER

CLIPS = ("speech_man.mp4", "speech_woman.mp4", "smile_near_silent.mp4", "no_face_loud_audio.mp4")


class _Segment:
    mel = np.random.default_rng(0).standard_normal((3, MEL_BANDS, MEL_FRAMES)).astype(np.float32)
    clip = np.random.default_rng(1).integers(0, 256, (CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3)).astype(np.uint8)


@pytest.mark.long
def test_fp16_costs_the_starter_nothing_on_real_segments(shared: Path) -> None:
    segments: list[Segment] = []
    for name in CLIPS:
        with OfflineRecording(str(shared / "clips" / name), ViolaJones()) as recording:
            segments += [each for each in recording if each.mel is not None or each.clip is not None]
    found = examine(Bundle.load(STARTER), segments)
    assert found.networks["video"].segments > 40
    assert found.networks["audio"].segments > 25
    for role, network in found.networks.items():
        assert 0 < network.median_error <= network.largest_error < 0.01, role
        assert network.headroom > HEADROOM, (role, network.tensor)
    decided, changed = (
        sum(getattr(each, name) for each in found.decisions.values()) for name in ("segments", "changed")
    )
    assert changed <= 0.005 * decided


def test_the_range_is_that_of_every_activation_in_float32() -> None:
    """Against ONNX's own reference implementation."""
    bundle, segment = Bundle.load(STARTER), _Segment()
    with OnnxRuntimeEngine(bundle) as engine:
        (features,) = Recognizer(bundle, engine).embed([segment])
    assert features.audio is not None
    assert features.video is not None
    model = onnx.load(bundle.network_file("fusion"))
    names = sorted(half_tensors(model) - {each.name for each in model.graph.output})
    model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    feed = {"audio": features.audio[None], "video": features.video[None]}
    activations = ReferenceEvaluator(model).run(names, feed)
    found = examine(bundle, [segment]).networks["fusion"]
    assert found.largest == pytest.approx(max(np.abs(each).max() for each in activations), rel=1e-4)
    assert found.tensor in names
