"""The real clips, as the command: what the grid rule, the modalities and the promises of reproducibility ask for."""

from __future__ import annotations

import pytest

from emostream.engines.frontend.grid import segment_count
from tests.offline import assert_same_as_streamed
from tests.streamer.running import deterministic, emotions, events_of

# Length of the union of the tracks, in seconds, from the start and duration that the containers state.
LENGTHS = {
    "crying_woman_silent.mp4": 19.69,
    "face_then_no_face.mov": 6.402018,
    "no_face_loud_audio.mp4": 3.945011,
    "no_face_then_face.mov": 6.378581,
    "smile_near_silent.mp4": 2.419002,
    "speech_man.mp4": 6.133008,
    "speech_woman.mp4": 6.633333,
}
# Seconds of the clip at which the face goes or comes, and whether it is there at first.
CUTS = {"face_then_no_face.mov": (2.43, True), "no_face_then_face.mov": (3.945, False)}
SPEAKING = {"speech_man.mp4", "speech_woman.mp4"}
FACELESS = {"no_face_loud_audio.mp4"}


@pytest.fixture(scope="module")
def runs(shared, bundle_folder):
    """Each clip once under `--fast`, made when first asked for."""
    made: dict[str, list] = {}

    def run(name: str) -> list:
        if name not in made:
            made[name] = events_of("--input", shared / "clips" / name, "--bundle", bundle_folder, "--fast")
        return made[name]

    return run


@pytest.mark.parametrize("name", LENGTHS)
def test_events_follow_the_grid_rule(runs, name):
    segments = emotions(runs(name))
    assert len(segments) == segment_count(LENGTHS[name])
    assert [e["media_time"] for e in segments] == pytest.approx([0.655 + 0.3 * k for k in range(len(segments))])


@pytest.mark.parametrize("name", LENGTHS)
def test_modalities(runs, name):
    segments = emotions(runs(name))
    voice = [e["modalities"]["audio"] for e in segments]
    face = [e["modalities"]["video"] for e in segments]
    if name in SPEAKING:
        assert sum(voice) >= 0.4 * len(voice)
    else:
        assert not any(voice)
    if name in CUTS:
        cut, first = CUTS[name]
        for event, there in zip(segments, face, strict=True):
            middle = event["media_time"] - 0.655 / 2
            if abs(middle - cut) > 1.0:
                assert there is (first if middle < cut else not first), event["media_time"]
    else:
        share = sum(face) / len(face)
        assert share == 0.0 if name in FACELESS else share >= 0.97


@pytest.mark.parametrize("name", LENGTHS)
def test_offline_gives_what_the_stream_gives(runs, shared, bundle_folder, name):
    assert_same_as_streamed(shared / "clips" / name, bundle_folder, emotions(runs(name)))


@pytest.mark.parametrize("name", LENGTHS)
def test_fast_twice_is_identical(runs, shared, bundle_folder, name):
    again = events_of("--input", shared / "clips" / name, "--bundle", bundle_folder, "--fast")
    assert [deterministic(e) for e in emotions(again)] == [deterministic(e) for e in emotions(runs(name))]


@pytest.mark.parametrize(
    "name",
    [
        *sorted(set(LENGTHS) - {"crying_woman_silent.mp4"}),
        pytest.param("crying_woman_silent.mp4", marks=pytest.mark.long),
    ],
)
def test_live_pace_gives_the_same_and_drops_nothing(runs, shared, bundle_folder, name):
    live = emotions(events_of("--input", shared / "clips" / name, "--bundle", bundle_folder))
    fast = emotions(runs(name))
    assert len(live) == len(fast)
    for one, other in zip(live, fast, strict=True):
        a, b = deterministic(one), deterministic(other)
        for event in (a, b):
            scores = event.pop("segment")
            event["own"] = scores and (scores["label"], scores["head"])
        assert (a.pop("scores") or {}) == pytest.approx(b.pop("scores") or {}, abs=1e-3)
        assert a == b
        assert one["dropped"] == {"segments": 0, "frames": 0, "audio_ms": 0.0}
