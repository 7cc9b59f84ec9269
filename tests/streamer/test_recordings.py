"""Recordings through the whole path, as the command."""

from __future__ import annotations

import pytest

from emostream.engines.frontend.grid import segment_count
from tests.media_files import write_media
from tests.streamer.running import demo_clip, deterministic, emotions, events_of, one_line_error, run


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return demo_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def fast(clip, bundle_folder):
    return events_of("--input", clip, "--bundle", bundle_folder, "--fast")


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    from emostream.trainer.actors.clip import Line, samples

    return samples((Line("anger", 2.0),), actor=2)


def test_the_demo_clip(fast):
    segments = emotions(fast)
    assert len(segments) == segment_count(segments[-1]["media_time"] + 0.29)
    assert [e["media_time"] for e in segments] == pytest.approx([0.655 + 0.3 * n for n in range(len(segments))])
    seen = {(e["modalities"]["audio"], e["modalities"]["video"]) for e in segments}
    assert (True, True) in seen
    assert (False, True) in seen
    assert (True, False) in seen
    assert {e["head"] for e in segments} >= {"fused", "video"}
    assert sum(e["type"] == "utterance" for e in fast) >= 3
    assert all(e["latency_ms"] is None for e in segments)
    for event in segments:
        if event["scores"]:
            assert sum(event["scores"].values()) == pytest.approx(1.0, abs=1e-4)
            assert event["scores"][event["label"]] == max(event["scores"].values())


def test_fast_twice_is_identical(clip, bundle_folder, fast):
    again = events_of("--input", clip, "--bundle", bundle_folder, "--fast")
    assert [deterministic(e) for e in emotions(again)] == [deterministic(e) for e in emotions(fast)]


def test_live_pace_gives_the_same(clip, bundle_folder, fast):
    live = emotions(events_of("--input", clip, "--bundle", bundle_folder))
    assert len(live) == len(emotions(fast))
    for one, other in zip(live, emotions(fast), strict=True):
        a, b = deterministic(one), deterministic(other)
        for event in (a, b):
            event["segment"] = event["segment"] and {**event["segment"], "scores": None}
        assert (a.pop("scores") or {}) == pytest.approx(b.pop("scores") or {}, abs=1e-3)
        assert a == b
        assert one["dropped"] == {"segments": 0, "frames": 0, "audio_ms": 0.0}
        assert one["latency_ms"] > 0


def test_two_files_are_the_file_with_both(clip, bundle_folder, fast):
    apart = events_of("--camera", clip, "--mic", clip, "--bundle", bundle_folder, "--fast")
    assert [deterministic(e) for e in emotions(apart)] == [deterministic(e) for e in emotions(fast)]


def test_a_recording_without_video(tmp_path, bundle_folder, voice):
    file = write_media(tmp_path / "voice.wav", sound=voice, pictures=False)
    segments = emotions(events_of("--input", file, "--bundle", bundle_folder, "--fast"))
    assert len(segments) == segment_count(2.0)
    assert {e["reason"]["video"] for e in segments} == {"off"}
    assert {e["head"] for e in segments} <= {"audio", None}
    assert any(e["modalities"]["audio"] for e in segments)
    assert segments[0]["frame_size"] is None


def test_a_recording_without_audio(tmp_path, bundle_folder):
    file = write_media(tmp_path / "grey.mkv", seconds=1.5)
    segments = emotions(events_of("--input", file, "--bundle", bundle_folder, "--fast"))
    assert len(segments) == segment_count(1.5)
    assert {(e["reason"]["audio"], e["reason"]["video"]) for e in segments} == {("off", "no_face")}
    assert {e["label"] for e in segments} == {None}


@pytest.mark.parametrize("seconds", [0.1, 0.4])
def test_a_recording_shorter_than_a_segment_gives_one(tmp_path, bundle_folder, voice, seconds):
    file = write_media(tmp_path / "short.mkv", sound=voice[: round(16_000 * seconds)], seconds=seconds)
    (event,) = emotions(events_of("--input", file, "--bundle", bundle_folder, "--fast"))
    assert event["media_time"] == 0.655
    assert event["reason"]["audio"] == "source_lost"
    assert event["frame_size"] == [320, 240]


def test_a_track_that_starts_late_and_one_that_ends_early(tmp_path, bundle_folder, voice):
    file = write_media(tmp_path / "late.mkv", sound=voice, sound_at=12.0, seconds=13.0)
    segments = emotions(events_of("--input", file, "--bundle", bundle_folder, "--fast"))
    assert len(segments) == segment_count(14.0)
    reasons = [(e["reason"]["audio"], e["reason"]["video"]) for e in segments]
    assert reasons[0] == ("source_lost", "no_face")
    assert reasons[-1][1] == "source_lost"
    assert any(e["modalities"]["audio"] for e in segments[40:])
    live = emotions(events_of("--input", file, "--bundle", bundle_folder))
    assert [deterministic(e) for e in live] == [deterministic(e) for e in segments]
    assert max(e["latency_ms"] for e in live) < 2000  # the late track holds nothing up


def test_duration(clip, bundle_folder):
    segments = emotions(events_of("--input", clip, "--bundle", bundle_folder, "--fast", "--duration", 3))
    assert len(segments) == segment_count(3.0)


def test_av_offset_shifts_the_picture(clip, bundle_folder, fast):
    shifted = emotions(events_of("--input", clip, "--bundle", bundle_folder, "--fast", "--av-offset-ms", -300))
    # 300 ms later is exactly one segment: the picture of segment k is that of segment k - 1 before.
    for k in range(1, len(shifted) - 2):
        assert shifted[k]["face"] == emotions(fast)[k - 1]["face"]
        assert shifted[k]["modalities"]["audio"] == emotions(fast)[k]["modalities"]["audio"]


def test_onnxruntime_agrees(clip, bundle_folder):
    runs = [
        emotions(events_of("--input", clip, "--bundle", bundle_folder, "--fast", "--duration", 4, *engine))
        for engine in (("--engine", "onnxruntime"), ("--engine", "openvino", "--precision", "fp32"))
    ]
    for one, other in zip(*runs, strict=True):
        assert (one["scores"] or {}) == pytest.approx(other["scores"] or {}, abs=1e-3)


def test_config_file(tmp_path, clip, bundle_folder):
    config = tmp_path / "emostream.toml"
    config.write_text(f'input = "{clip}"\nbundle = "{bundle_folder}"\nfast = true\nstream = "desk"\nduration = 9\n')
    events = events_of("--config", config, "--duration", 2)
    assert {e["stream"] for e in events} == {"desk"}
    assert len(emotions(events)) == segment_count(2.0)
    config.write_text("inputs = 1\n")
    assert "holds inputs; expected options among" in one_line_error(run("--config", config))
    config.write_text("= 1\n")
    assert "is no TOML" in one_line_error(run("--config", config))
    assert "can't be read" in one_line_error(run("--config", tmp_path / "none.toml"))


def test_a_gap_in_the_sound_is_missing_and_moves_nothing(tmp_path, bundle_folder, voice):
    file = tmp_path / "gap.mkv"
    half = voice[:16_000]
    # 300 ms are missing: by their timestamps, the second half starts at 1.3 s.
    write_media(file, sound=half, seconds=2.3, later=(1.3, half))
    segments = emotions(events_of("--input", file, "--bundle", bundle_folder, "--fast"))
    assert len(segments) == segment_count(2.3)
    assert segments[-1]["dropped"]["audio_ms"] == pytest.approx(300, abs=2)
    # Segments 2 and 3 hold all of the gap: half of their audio never arrived.
    assert [e["reason"]["audio"] for e in segments[2:4]] == ["source_lost"] * 2
    assert segments[5]["reason"]["audio"] != "source_lost"


def test_a_gap_in_the_picture_holds_nothing_up(tmp_path, bundle_folder, voice):
    times = [n / 30 for n in range(20)] + [3.5 + n / 30 for n in range(15)]
    file = write_media(tmp_path / "gap.mkv", sound=voice, frame_times=times)
    segments = emotions(events_of("--input", file, "--bundle", bundle_folder))
    assert len(segments) == segment_count(4.0)
    assert max(e["latency_ms"] for e in segments) < 1500
    assert {e["reason"]["video"] for e in segments[4:9]} == {"source_lost"}
    fast = emotions(events_of("--input", file, "--bundle", bundle_folder, "--fast"))
    assert [deterministic(e) for e in segments] == [deterministic(e) for e in fast]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("output = false", "output is False, expected str"),
        ("camera = true", "camera is True, expected int or str"),
        ("duration = true", "duration is True, expected int or float"),
        ('fast = "yes"', "fast is 'yes', expected bool"),
        ("stream = 3", "stream is 3, expected str"),
    ],
)
def test_types_in_a_config_file(tmp_path, line, message):
    config = tmp_path / "emostream.toml"
    config.write_text(line)
    assert message in one_line_error(run("--config", config))
    config.write_bytes(b"\xff\xfe")
    assert "is no TOML" in one_line_error(run("--config", config))
