"""A recording cut at once against the events that the streamer gave for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emostream.engines.backends.openvino.engine import OpenVinoEngine
from emostream.engines.bundle import Bundle
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.offline import OfflineRecording
from emostream.engines.recognizer import Recognizer


def assert_same_as_streamed(file: Path, bundle_folder: Path, streamed: list[dict[str, Any]]) -> None:
    """The same segments, and the same scores for each of them."""
    bundle = Bundle.load(bundle_folder)
    with OfflineRecording(str(file), ViolaJones()) as recording, OpenVinoEngine(bundle) as engine:
        segments = list(recording)
        features = Recognizer(bundle, engine).embed(segments)
        assert len(segments) == len(streamed)
        for segment, feature, event in zip(segments, features, streamed, strict=True):
            assert event["media_time"] == pytest.approx(segment.t_end)
            assert event["modalities"] == {"audio": segment.mel is not None, "video": segment.clip is not None}
            assert event["reason"] == {"audio": segment.audio_reason, "video": segment.video_reason}
            assert event["face"] == (segment.box and list(segment.box))
            assert (event["segment"] or {}).get("head") == feature.head
            if feature.head is not None:
                scores = Recognizer(bundle, engine).score(feature.head, feature.get(feature.head)).by_label
                assert event["segment"]["scores"] == pytest.approx(scores, abs=1e-3)
