"""`emostream annotate`: the results of a session, as other programs show them."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import av
import numpy as np
import pytest
from msgspec.structs import replace

from emostream.engines.errors import ConfigError, PublishError, SourceError
from emostream.engines.starter import STARTER
from emostream.streamer.annotate.drawing import Drawing, SeenFace
from emostream.streamer.annotate.eaf import eaf_of
from emostream.streamer.annotate.run import annotate
from emostream.streamer.annotate.video import recognise_faces
from emostream.streamer.annotate.vtt import vtt_lines
from emostream.streamer.config import RecognitionConfig
from emostream.streamer.eventlog.timeline import TimelineBuilder, caption, display_interval
from emostream.streamer.offline import recognizer_of
from emostream.streamer.protocol.events import encode
from emostream.streamer.whole_file import whole_file
from tests.media_files import write_media
from tests.streamer.recording.clips import events_in, pictures_of, sound_of
from tests.streamer.running import COMMAND, emotions, one_line_error, run
from tests.streamer.samples import EMOTION, UTTERANCE

resource = pytest.importorskip("resource", reason="limits the size of files")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("annotated")


@pytest.fixture(scope="module")
def events(clip, folder):
    """What a session publishes of the clip; the same is in events.jsonl."""
    done = run("--input", clip, "--fast", "--stream", "desk", "--output", folder / "events.jsonl")
    assert done.returncode == 0, done.stderr
    return events_in(folder / "events.jsonl")


@pytest.fixture(scope="module")
def elan(clip, folder):
    """The clip's tiers for ELAN."""
    return annotated(clip, folder / "clip.eaf")


def annotated(source, target, *options):
    done = run("annotate", source, target, *options)
    assert done.returncode == 0, done.stderr
    assert f"made {target}" in done.stdout
    return target


def cues(file):
    webvtt = pytest.importorskip("webvtt", reason="reads the subtitles back")
    return list(webvtt.read(str(file)))


def seconds(clock: str) -> float:
    return sum(float(part) * 60**place for place, part in enumerate(reversed(clock.split(":"))))


def tiers(file):
    pympi = pytest.importorskip("pympi", reason="reads ELAN's files back")
    return pympi.Elan.Eaf(str(file))


def test_subtitles_say_what_the_session_said(clip, events, folder):
    from_clip, from_events = (
        cues(annotated(source, folder / name))
        for source, name in ((clip, "clip.vtt"), (folder / "events.jsonl", "events.vtt"))
    )
    assert [(c.start, c.end, c.text) for c in from_clip] == [(c.start, c.end, c.text) for c in from_events]
    segments = [cue for cue in from_clip if cue.identifier.startswith("s")]
    assert len(segments) == len(emotions(events))
    for cue, event in zip(segments, emotions(events), strict=True):
        assert cue.text.startswith(event["label"] or "no ")
        start, end = display_interval(event["media_time"])
        assert seconds(cue.start) <= start + 0.001
        assert seconds(cue.end) >= end - 0.001
    assert segments[0].start == "00:00:00.000"
    spoken = [cue for cue in from_clip if cue.identifier.startswith("u")]
    final = [event for event in events if event["type"] == "utterance"]
    assert [cue.text.split()[1] for cue in spoken] == [f"{event['id']}:" for event in final]
    for cue, event in zip(spoken, final, strict=True):
        assert event["label"] in cue.text
        assert seconds(cue.end) == pytest.approx(event["media_time"], abs=0.001)


def test_tiers_for_elan(clip, events, elan, folder):
    made = tiers(elan)
    assert set(made.get_tier_names()) == {
        "emotion", "emotion-score", "emotion-head", "utterances", "no-face", "no-voice", "missing-events",
    }  # fmt: skip
    found = made.get_annotation_data_for_tier("emotion")
    assert [label for _, _, label in found] == [event["label"] or caption_of(event) for event in emotions(events)]
    for (start, end, _), event in zip(found, emotions(events), strict=True):
        middle = 1000 * sum(display_interval(event["media_time"])) / 2
        assert start < middle < end
    scored = made.get_ref_annotation_data_for_tier("emotion-score")
    assert [float(entry[2]) for entry in scored] == pytest.approx(
        [event["scores"][event["label"]] for event in emotions(events) if event["label"]], abs=0.006
    )
    absent = made.get_annotation_data_for_tier("no-face")
    assert any(2800 < start < 3700 and end > 3700 and why == "no_face" for start, end, why in absent)
    for name in ("emotion", "utterances", "no-face", "no-voice"):
        spans = sorted(made.get_annotation_data_for_tier(name))
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans)), name
    (media,) = made.media_descriptors
    assert (media["MEDIA_URL"], media["RELATIVE_MEDIA_URL"]) == (
        clip.resolve().as_uri(),
        f"./{os.path.relpath(clip, folder)}",
    )
    assert media["MIME_TYPE"] == "video/mp4"


def caption_of(event):
    reasons = event["reason"]
    return ", ".join(text for text in (reasons["video"] and "no face", reasons["audio"] and "no voice") if text)


def test_the_document_holds_to_the_schema_of_elan(elan):
    root = ET.parse(elan).getroot()
    order = [child.tag for child in root]
    assert order == sorted(order, key=["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"].index)
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(set(slots.values()))
    annotations = [each for kind in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") for each in root.iter(kind)]
    ids = [each.get("ANNOTATION_ID") for each in annotations]
    assert len(set(ids)) == len(ids)
    for each in root.iter("ALIGNABLE_ANNOTATION"):
        assert slots[each.get("TIME_SLOT_REF1")] < slots[each.get("TIME_SLOT_REF2")]
    assert {each.get("ANNOTATION_REF") for each in root.iter("REF_ANNOTATION")} <= set(ids)
    types = {kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")}
    names = {tier.get("TIER_ID") for tier in root.iter("TIER")}
    for tier in root.iter("TIER"):
        assert tier.get("LINGUISTIC_TYPE_REF") in types
        assert tier.get("PARENT_REF", "emotion") in names
    assert root.get("FORMAT") == "3.0"


def test_text_that_looks_like_markup():
    builder = TimelineBuilder()
    builder.add(replace(EMOTION, label="<b>&\x00-->\n", scores={"<b>&\x00-->\n": 1.0}))
    builder.add(replace(UTTERANCE, label="]]>", scores={"]]>": 0.5}))
    line = builder.finish()
    text = "".join(vtt_lines(line))
    assert "&lt;b&gt;&amp; --&gt; 100 %" in text
    assert text.count("-->") == 2
    root = ET.fromstring(ET.tostring(eaf_of(line, media=None, target=Path("x.eaf"))))
    values = [each.text for each in root.iter("ANNOTATION_VALUE")]
    assert "<b>&?-->\n" in values
    assert "37: ]]> 50 %, audio" in values


def test_the_video_shows_what_the_session_said(clip, events, folder):
    made = annotated(clip, folder / "annotated.mp4")
    options = RecognitionConfig(bundle=STARTER)
    with recognizer_of(options) as recognizer:
        found = recognise_faces(clip, recognizer, options, threading.Event(), lambda _: None)
    assert [event.label for event in found.events] == [event["label"] for event in emotions(events)]
    before, after = pictures_of(clip), pictures_of(made)
    assert [t for t, _ in after] == pytest.approx([t for t, _ in before], abs=1e-6)
    assert {image.shape for _, image in after} == {image.shape for _, image in before}
    # Of all labels that could be drawn into the original, that of the event of the moment gives the picture.
    labels, intervals = (
        recognizer.bundle.manifest.labels,
        [display_interval(event["media_time"]) for event in emotions(events)],
    )
    for n in range(0, len(before), 7):
        t, image = before[n]
        inside = [event for event, (start, end) in zip(emotions(events), intervals, strict=True) if start <= t < end]
        event, shown = (inside or [emotions(events)[0 if t < 1 else -1]])[0], found.event_at(t)
        assert shown.label == event["label"]
        apart = {}
        for label in (*labels, None):
            drawn = image.copy()
            scores = dict.fromkeys(labels, shown.scores[shown.label] if shown.scores else 0.5) if label else None
            alone = replace(shown, label=label, scores=scores, head="video" if label else None)
            Drawing(labels, *image.shape[:2]).draw(drawn, SeenFace(t, None, None), alone)
            apart[label] = np.abs(drawn[:20, :60].astype(int) - after[n][1][:20, :60]).mean()
        assert min(apart, key=apart.get) == event["label"], (t, apart)
    with av.open(str(clip)) as source, av.open(str(made)) as copy:
        assert copy.streams.video[0].average_rate == source.streams.video[0].average_rate
    one, other = sound_of(clip), sound_of(made)
    assert other[0] == pytest.approx(one[0], abs=0.001)
    np.testing.assert_array_equal(other[1][: one[1].size - 2000], one[1][:-2000])  # copied, not made again


def test_a_video_of_an_odd_size_with_uneven_times_and_other_sound(tmp_path):
    times = [0.04, 0.06, 0.13, 0.5, 0.61, 0.9, 1.4]
    sound = 0.3 * np.sin(np.arange(24_000) / 8).astype(np.float32)
    clip = write_media(tmp_path / "odd.mkv", frame_times=times, sound=sound, size=(161, 121), sound_at=0.25)
    made = annotated(clip, tmp_path / "odd.mp4")
    shown = pictures_of(made)
    assert [t for t, _ in shown] == pytest.approx(times, abs=0.001)
    assert {image.shape for _, image in shown} == {(122, 162, 3)}
    start, samples = sound_of(made)
    first = start + np.flatnonzero(np.abs(samples) > 0.1)[0] / 16_000
    assert first == pytest.approx(0.25, abs=0.01)


def test_a_clip_without_sound_and_one_turned(tmp_path):
    clip = write_media(tmp_path / "turned.mp4", seconds=1.0, rotation=90)
    made = annotated(clip, tmp_path / "out.mp4")
    assert {image.shape for _, image in pictures_of(made)} == {(320, 240, 3)}
    with av.open(str(made)) as container:
        assert not container.streams.audio
        assert float(container.streams.video[0].average_rate) == pytest.approx(30, rel=0.002)


def test_a_voice_without_a_face(tmp_path):
    from emostream.trainer.actors.clip import Line, samples

    voice = write_media(tmp_path / "voice.wav", sound=samples((Line("anger", 2.0),), actor=2), pictures=False)
    assert "has no pictures to draw on" in one_line_error(run("annotate", voice, tmp_path / "out.mp4"))
    made = tiers(annotated(voice, tmp_path / "voice.eaf"))
    assert {why for *_, why in made.get_annotation_data_for_tier("no-face")} == {"off"}
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("acted.mp4", "out.avi", r"one of \.mp4 \(a video\), \.eaf \(tiers for ELAN\), \.vtt \(subtitles\)"),
        ("acted.mp4", "out", "ends in no suffix"),
        ("acted.mp4", "acted.mp4", "is what is read"),
        ("acted.mp4", "mine.vtt", "say --force to replace it"),
        ("acted.mp4", "link.vtt", "say --force to replace it"),
        ("acted.mp4", "none/out.vtt", "there is no such folder"),
        ("acted.mp4", "folder.mp4", "is a folder; name a file"),
        ("events.jsonl", "out.mp4", r"give the clip, or name \.eaf or \.vtt"),
        ("none.mp4", "out.vtt", r"none\.mp4 does not exist"),
        ("none.jsonl", "out.vtt", "can't be read: No such file"),
        ("folder.mp4", "out.vtt", "holds no recording"),
        ("events.parquet", "out.vtt", r"give events\.jsonl beside it"),
        ("mine.vtt", "out.vtt", "has neither an audio nor a video track"),
        ("empty.jsonl", "out.vtt", "holds no events; expected JSON Lines"),
        ("folder.jsonl", "out.vtt", "holds no recording"),
    ],
)
def test_refusals(clip, events, folder, tmp_path, source, target, message):
    shutil.copy(clip, tmp_path / "acted.mp4")
    shutil.copy(folder / "events.jsonl", tmp_path / "events.jsonl")
    for name in ("mine.vtt", "empty.jsonl"):
        (tmp_path / name).write_text("" if name == "empty.jsonl" else "mine")
    for name in ("folder.mp4", "folder.jsonl"):
        (tmp_path / name).mkdir()
    (tmp_path / "link.vtt").symlink_to("nowhere")
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises((ConfigError, SourceError, PublishError), match=message):
        annotate(tmp_path / source, tmp_path / target, RecognitionConfig(bundle=STARTER))
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--media", "none.mp4"], r"--media none\.mp4 is no file; expected the clip that the events belong to"),
        (["--precision", "fp32"], r"--precision and --face-model are for clips, but .*events\.jsonl holds events"),
    ],
)
def test_options_that_do_not_fit_events(folder, tmp_path, options, message):
    done = run("annotate", folder / "events.jsonl", tmp_path / "out.eaf", *options)
    assert done.returncode == 2
    assert re.search(message, one_line_error(done))
    assert os.listdir(tmp_path) == []


def test_the_command_refuses_in_one_line(clip, tmp_path):
    assert "ends in .avi; expected a name that ends in one of" in one_line_error(
        run("annotate", clip, tmp_path / "out.avi")
    )
    (tmp_path / "mine.vtt").write_text("mine")
    annotated(clip, tmp_path / "mine.vtt", "--force")
    assert (tmp_path / "mine.vtt").read_text().startswith("WEBVTT")


def test_events_of_several_streams_and_sessions(tmp_path, caplog, capsys):
    file, options = tmp_path / "events.jsonl", RecognitionConfig(bundle=STARTER)
    of = [("desk", "1"), ("door", "2"), ("desk", "3")]
    lines = [
        encode(replace(EMOTION, stream=stream, session=session * 32, label="joy" if session == "3" else "anger"))
        for stream, session in of
    ]
    file.write_bytes(b"\n".join(lines) + b"\nno event\n\n[1]\n" + lines[0][:40])
    with pytest.raises(ConfigError, match="holds the streams desk, door; choose one with --stream"):
        annotate(file, tmp_path / "out.vtt", options)
    with pytest.raises(ConfigError, match="expected one of desk, door"):
        annotate(file, tmp_path / "out.vtt", options, stream="nobody")
    caplog.clear()
    annotate(file, tmp_path / "out.vtt", options, stream="desk")
    assert caplog.text.count("passed over 2 lines that are no event and a torn last line") == 1
    assert "holds 2 sessions of desk: taking the last one" in capsys.readouterr().out
    assert "joy 81 %" in (tmp_path / "out.vtt").read_text()


def limited(command, room):
    """Run a command that may write files of `room` bytes only."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    return subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit, check=False)


@pytest.mark.parametrize("name", ["out.mp4", "out.eaf"])
def test_a_full_disk_leaves_no_half_file(clip, tmp_path, name):
    done = limited([*COMMAND, "annotate", str(clip), str(tmp_path / name)], 3000)
    assert done.returncode == 1
    assert "File too large" in one_line_error(done)
    assert os.listdir(tmp_path) == []


def test_a_signal_leaves_no_half_file(clip, tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "annotate", str(clip), str(tmp_path / "out.mp4")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 30
    while not os.listdir(tmp_path) and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    code = process.wait(10)
    assert (code, os.listdir(tmp_path)) in ((143, []), (143, ["out.mp4"]), (0, ["out.mp4"]))  # it may have been ready


def test_a_signal_in_one_long_write_leaves_no_half_file(tmp_path):
    stop = threading.Event()

    def write():
        with whole_file(tmp_path / "x", force=False, stop=stop) as part:
            part.write_text("half")
            stop.set()
            until = time.monotonic() + 10
            while part.exists():
                assert time.monotonic() < until
                time.sleep(0.01)

    with pytest.raises(PublishError, match="nothing is left of it"):
        write()
    assert os.listdir(tmp_path) == []


def test_captions():
    assert caption(EMOTION) == "joy 81 %, video"
