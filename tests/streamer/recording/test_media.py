"""The media file of a recording: on the axis of the events, whole, and never in the way."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import av
import numpy as np
import pytest

from emostream.engines.frontend.clip import FrameFace
from emostream.engines.media.audio import AudioBlock
from emostream.engines.media.video import VideoFrame
from emostream.engines.settings import SAMPLE_RATE
from emostream.streamer.pipeline.clock import LiveClock, RecordedClock
from emostream.streamer.recording import media, media_file, media_queue
from emostream.streamer.recording.media import MediaRecorder
from tests.media_files import write_media
from tests.streamer.recording.clips import events_in, pictures_of, sound_of, the_one
from tests.streamer.running import emotions, events_of, run

BLOCK = 320
NOBODY = FrameFace(0.0, (320, 240), None, None, 0.0)
CLAPS = (1.0, 2.5, 4.2)  # seconds


def stream(clock, *, audio="running", video="running"):
    """What a recorder asks of a stream."""
    return SimpleNamespace(name="desk", states={"audio": audio, "video": video}, clock=clock)


def picture(t: float, *, bright: bool = False, size=(320, 240)) -> VideoFrame:
    return VideoFrame(t, np.full((size[1], size[0], 3), 230 if bright else 40, np.uint8))


def say(recorder, first: int, samples: np.ndarray) -> None:
    """Tell of sound as segmenting does."""
    recorder.on_sound(AudioBlock(first / SAMPLE_RATE, samples.astype(np.float32)), first)


def clap_times(file) -> list[float]:
    start, samples = sound_of(file)
    loud = np.flatnonzero(np.abs(samples) > 0.3) / SAMPLE_RATE + start
    return [float(loud[np.abs(loud - clap) < 0.3][0]) for clap in CLAPS]


def flash_times(file) -> list[float]:
    shown = pictures_of(file)
    bright = np.array([t for t, image in shown if image[::4, ::4].mean() > 120])
    return [float(bright[np.abs(bright - clap) < 0.3][0]) for clap in CLAPS]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory, clip):
    """The events of a session, and those of its recording played again."""
    folder = tmp_path_factory.mktemp("replayed")
    done = run("--input", clip, "--fast", "--record", folder / "all", "--record-media")
    assert done.returncode == 0, done.stderr
    recording = the_one(folder / "all")
    again = events_of("--input", recording / "default.mkv", "--fast")
    return recording, emotions(events_in(recording / "events.jsonl")), emotions(again)


def test_a_recording_played_again_gives_the_same_events(replayed):
    _, first, again = replayed
    assert [event["media_time"] for event in again] == [event["media_time"] for event in first]
    assert [event["modalities"] for event in again] == [event["modalities"] for event in first]
    assert [event["head"] for event in again] == [event["head"] for event in first]
    labels = [(one["label"], other["label"]) for one, other in zip(first, again, strict=True)]
    assert sum(one == other for one, other in labels) >= len(labels) - 1  # where two are as likely, either may win
    for one, other in zip(first, again, strict=True):
        assert (other["scores"] or {}) == pytest.approx(one["scores"] or {}, abs=0.12)
        assert (one["face"] is None) == (other["face"] is None)
        if one["face"]:
            assert other["face"] == pytest.approx(one["face"], abs=6)


def test_the_events_are_captions_on_the_same_axis(replayed):
    recording, events, _ = replayed
    with av.open(str(recording / "default.mkv")) as container:
        track = container.streams.subtitles[0]
        cues = [
            (float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p).decode())
            for p in container.demux(track)
            if p.size
        ]
    assert len(cues) == len(events)
    assert cues[0][0] == 0.0
    for (start, length, text), event in zip(cues, events, strict=True):
        assert start + length == pytest.approx(event["media_time"] - 0.1775, abs=0.002)
        assert text.startswith(event["label"] or "no ")


def test_marks_stay_in_place(tmp_path):
    """A clip whose claps and flashes are known, with a hole in its sound, and pictures that come unevenly."""
    times = [n / 30 for n in range(150) if n % 7 not in (3, 4)]
    sound = 0.01 * np.random.default_rng(1).standard_normal(5 * SAMPLE_RATE)
    for clap in CLAPS:
        sound[round(clap * SAMPLE_RATE) :][:400] = 0.9
    first, second = sound[: round(1.8 * SAMPLE_RATE)], sound[round(2.2 * SAMPLE_RATE) :]
    clip = write_media(
        tmp_path / "claps.mkv",
        sound=first.astype(np.float32),
        later=(2.2, second.astype(np.float32)),
        frame_times=times,
    )
    shown = [(t, image) for t, image in pictures_of(clip)]
    done = run("--input", clip, "--fast", "--record", tmp_path / "all", "--record-media")
    assert done.returncode == 0, done.stderr
    made = the_one(tmp_path / "all") / "default.mkv"
    assert clap_times(made) == pytest.approx(CLAPS, abs=0.002)
    kept = pictures_of(made)
    assert [t for t, _ in kept] == pytest.approx([t for t, _ in shown], abs=0.001)
    for (_, one), (_, other) in zip(shown, kept, strict=True):
        assert abs(float(one.mean()) - float(other.mean())) < 4  # the very picture: each has a grey of its own


def test_a_live_stream_whose_sound_card_is_off(tmp_path):
    """The sound's clock is 300 ppm fast, and a second of it is lost; claps and flashes stay together."""
    clock = LiveClock(100.0, 0.0)
    made = stream(clock)
    recorder = MediaRecorder(tmp_path / "desk.mkv", made, wait=True)
    recorder.start()
    position, rate = 0, SAMPLE_RATE * (1 + 300e-6)
    frame = 0
    while position / rate < 5.0:
        t = 100.0 + position / rate
        clock.follow(t, position / SAMPLE_RATE)
        block = np.zeros(BLOCK, np.float32)
        for clap in CLAPS:
            first = round(clap * rate) - position
            block[max(first, 0) : max(first + 400, 0)] = 0.9
        if not 1.4 <= t - 100.0 < 2.4:
            say(recorder, position, block)
        position += BLOCK
        while frame / 30 < position / rate:
            flash = any(0 <= frame / 30 - clap < 0.1 for clap in CLAPS)
            recorder.on_picture(picture(100.0 + frame / 30, bright=flash), NOBODY)
            frame += 1
    recorder.close()
    for clap, flash, true in zip(clap_times(recorder.path), flash_times(recorder.path), CLAPS, strict=True):
        assert abs(clap - flash) < 0.034  # a picture of 30 a second
        assert abs(clap - true) < 0.02
    said = recorder.description()
    assert said.silence_s == pytest.approx(1.0, abs=0.05)
    assert (said.pictures, said.pictures_dropped, said.failure) == (frame, 0, None)


def test_a_camera_that_changes_its_size(tmp_path):
    made = stream(RecordedClock(0.0, 0.0, 0.0, fast=True), audio="off")
    recorder = MediaRecorder(tmp_path / "desk.mkv", made, wait=True)
    recorder.start()
    sizes = [(321, 241), (640, 360), (120, 160), (321, 241)]
    for n in range(40):
        recorder.on_picture(picture(n / 30, bright=True, size=sizes[n // 10]), NOBODY)
    recorder.close()
    shown = pictures_of(recorder.path)
    assert len(shown) == 40
    assert {image.shape for _, image in shown} == {(242, 322, 3)}
    assert shown[5][1].min() > 200
    wide, tall = shown[15][1], shown[25][1]
    assert wide[120].min() > 200  # from side to side, black above
    assert wide[5].max() < 40
    assert tall[:, 160].min() > 200  # from top to bottom, black beside
    assert tall[:, 5].max() < 40


def test_pictures_are_dropped_before_sound(tmp_path, monkeypatch, caplog):
    held = threading.Event()
    monkeypatch.setattr(media_queue, "_MOST_PICTURE_BYTES", 3_000_000)
    write = MediaRecorder._write
    monkeypatch.setattr(MediaRecorder, "_write", lambda *all: (held.wait(20), write(*all)))
    made = stream(LiveClock(0.0, 0.0))
    recorder = MediaRecorder(tmp_path / "desk.mkv", made, wait=False)
    recorder.start()
    begun = time.monotonic()
    tone = 0.5 * np.sin(np.arange(3 * SAMPLE_RATE) / 5)
    for n in range(90):
        recorder.on_picture(picture(n / 30), NOBODY)
        first = n * SAMPLE_RATE // 30
        say(recorder, first, tone[first : (n + 1) * SAMPLE_RATE // 30])
    assert time.monotonic() - begun < 5.0  # nobody waited for the one who writes
    held.set()
    recorder.close()
    said = recorder.description()
    assert said.pictures_dropped > 60
    assert said.pictures + said.pictures_dropped == 90
    assert (said.sound_s, said.silence_s, said.sound_dropped_ms) == (3.0, 0.0, 0.0)
    _, samples = sound_of(recorder.path)
    np.testing.assert_allclose(samples[: tone.size], tone[: samples.size], atol=1e-3)
    assert caplog.text.count("falls behind; pictures of it are dropped") == 1


def test_sound_that_finds_no_room_is_said_and_becomes_silence(tmp_path, monkeypatch, caplog):
    held = threading.Event()
    monkeypatch.setattr(media_queue, "_MOST_SOUND", SAMPLE_RATE)
    write = MediaRecorder._write
    monkeypatch.setattr(MediaRecorder, "_write", lambda *all: (held.wait(20), write(*all)))
    made = stream(LiveClock(0.0, 0.0), video="off")
    recorder = MediaRecorder(tmp_path / "desk.mkv", made, wait=False)
    recorder.start()
    for n in range(100):
        say(recorder, n * BLOCK, np.full(BLOCK, 0.5))
    held.set()
    while len(recorder._queue):
        time.sleep(0.01)
    say(recorder, 100 * BLOCK, np.full(BLOCK, 0.5))
    recorder.close()
    said = recorder.description()
    assert said.sound_s == pytest.approx(101 * BLOCK / SAMPLE_RATE)
    assert said.sound_dropped_ms == pytest.approx(1000 * said.silence_s)
    assert said.sound_dropped_ms > 900
    assert "sound of it is lost" in caplog.text


def test_a_disk_that_fails_ends_the_file_and_nothing_else(tmp_path, monkeypatch, caplog):
    made = stream(RecordedClock(0.0, 0.0, 0.0, fast=True), audio="off")
    recorder = MediaRecorder(tmp_path / "desk.mkv", made, wait=True)
    (tmp_path / "desk.mkv").write_text("another's")  # which is not overwritten
    recorder.start()
    for n in range(5):
        recorder.on_picture(picture(n / 30), NOBODY)
    recorder.close()
    assert recorder.failure == "File exists"
    assert caplog.text.count("can't record pictures and sound into") == 1
    assert (tmp_path / "desk.mkv").read_text() == "another's"


def test_media_ends_before_the_disk_is_full(tmp_path, monkeypatch, caplog):
    made = stream(RecordedClock(0.0, 0.0, 0.0, fast=True), audio="off")
    recorder = MediaRecorder(tmp_path / "desk.mkv", made, wait=True)
    recorder.start()
    monkeypatch.setattr(media, "_LOOK_S", 0.0)
    for n in range(60):
        if n == 40:
            while len(recorder._queue):
                time.sleep(0.01)
            monkeypatch.setattr(media, "_LEAST_FREE", 1 << 60)
        recorder.on_picture(picture(n / 30), NOBODY)
    recorder.close()
    assert "MB are free, which events may need" in recorder.failure
    assert caplog.text.count("can't record pictures and sound into") == 1
    assert len(pictures_of(recorder.path)) >= 38


def test_a_stream_that_never_gave_anything_leaves_no_file(tmp_path):
    recorder = MediaRecorder(tmp_path / "desk.mkv", stream(None), wait=False)
    recorder.start()
    recorder.on_picture(picture(0.0), NOBODY)  # the grid has not begun
    recorder.close()
    assert recorder.description() is None
    assert not recorder.path.exists()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_without_x264_there_is_another_encoder(tmp_path, monkeypatch, codec):
    monkeypatch.setattr(media_file, "picture_codec", lambda: codec)
    made = stream(RecordedClock(0.0, 0.0, 0.0, fast=True))
    recorder = MediaRecorder(tmp_path / "desk.mkv", made, wait=True)
    recorder.start()
    for n in range(30):
        recorder.on_picture(picture(n * 0.04, bright=n >= 15), NOBODY)
        say(recorder, n * 640, np.full(640, 0.25))
    recorder.close()
    shown = pictures_of(recorder.path)
    assert [t for t, _ in shown] == pytest.approx([n * 0.04 for n in range(30)], abs=0.001)
    assert [image.mean() > 120 for _, image in shown] == [n >= 15 for n in range(30)]
    assert sound_of(recorder.path)[1][:19_000] == pytest.approx(0.25, abs=1e-4)
    with av.open(str(recorder.path)) as container:
        assert container.streams.video[0].codec_context.name == {"libx264": "h264"}.get(codec, codec)
