"""The bundle that ships: what it is, and what it says of the demo and of the real clips."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.calm import changes_a_minute
from emostream.engines.bundle import Bundle
from emostream.engines.starter import STARTER
from emostream.trainer.actors.clip import DEMO_SCRIPT
from tests.streamer.running import demo_clip, emotions, events_of, run

LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
MOST_BYTES = 15_000_000
MOST_CHANGES_A_MINUTE = 20
SMILES_S = 9.5  # of the clip of the crying woman: from here to its end, at 19.7 s, she smiles and laughs


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_clip(tmp_path_factory.mktemp("demo"))


def test_the_starter_is_a_whole_bundle_that_says_what_it_is() -> None:
    bundle = Bundle.load(STARTER)
    manifest = bundle.manifest
    assert (manifest.name, manifest.preset, manifest.trained) == ("starter", "compact", True)
    assert manifest.labels == LABELS
    assert "non-commercial" in manifest.licence
    assert sum((STARTER / name).stat().st_size for name in manifest.files) <= MOST_BYTES
    assert set(manifest.figures["heads"]) == {"audio", "video", "fused"}
    assert manifest.figures["heads"]["audio"]["all"]["unweighted_recall"] >= 0.65


def test_it_is_what_emostream_runs_without_a_bundle_named(demo: Path) -> None:
    named = emotions(events_of("--input", demo, "--fast", "--bundle", STARTER))
    unnamed = emotions(events_of("--input", demo, "--fast"))
    assert [event["scores"] for event in unnamed] == [event["scores"] for event in named]
    assert set(unnamed[0]["scores"] or unnamed[5]["scores"]) == set(LABELS)
    assert "untrained" not in run("--input", demo, "--fast", "--duration", 2).stderr


def test_the_demo_names_the_emotions_that_its_clip_plays(demo: Path) -> None:
    found = [event["label"] for event in events_of("--input", demo, "--fast") if event["type"] == "utterance"]
    assert found == [line.emotion for line in DEMO_SCRIPT if line.speaking]


def test_the_smiling_man_is_joy_in_the_last_half_of_his_clip(shared: Path) -> None:
    events = emotions(events_of("--input", shared / "clips" / "smile_near_silent.mp4", "--fast"))
    half = events[-1]["media_time"] / 2
    assert {event["label"] for event in events if event["media_time"] - 0.655 >= half} == {"joy"}


def test_the_crying_woman_is_sad_while_she_cries_and_joy_when_she_laughs(shared: Path) -> None:
    events = emotions(events_of("--input", shared / "clips" / "crying_woman_silent.mp4", "--fast"))
    seen = [event for event in events if event["modalities"]["video"]]
    crying = Counter(event["label"] for event in seen if event["media_time"] < SMILES_S)
    assert crying["sadness"] > crying.total() / 2
    # The published label is of the last three seconds.
    laughing = Counter(event["label"] for event in seen if event["media_time"] > SMILES_S + 3)
    assert laughing["joy"] > 0.9 * laughing.total()


@pytest.mark.parametrize("name", ["speech_man.mp4", "speech_woman.mp4"])
def test_speakers_who_do_not_act_keep_their_label(shared: Path, name: str) -> None:
    events = emotions(events_of("--input", shared / "clips" / name, "--fast"))
    labels = [event["label"] for event in events]
    assert changes_a_minute(labels, events[-1]["media_time"]) <= MOST_CHANGES_A_MINUTE
