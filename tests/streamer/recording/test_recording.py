"""`--record`: a folder that explains itself, and nothing lost or overwritten whatever happens."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from benchmarks.soak.server import FaultyServer
from emostream.engines.errors import ConfigError
from emostream.engines.starter import STARTER
from emostream.streamer.config import Config, StreamConfig
from emostream.streamer.protocol.events import decode
from emostream.streamer.recording.description import make_folder, options_of
from tests.streamer.recording.clips import events_in, pictures_of, sound_of, the_one
from tests.streamer.running import COMMAND, emotions, one_line_error, run

resource = pytest.importorskip("resource", reason="limits the size of files")

PORT = ("--publish", "tcp://127.0.0.1:*")


@pytest.fixture(scope="module")
def recorded(clip, tmp_path_factory):
    """A session that was recorded, with what `--output` says of it."""
    folder = tmp_path_factory.mktemp("recorded")
    done = run(
        "--input", clip, "--fast", "--record", folder / "all", "--record-media", "--output", folder / "output.jsonl",
        "--stream", "desk", "--precision", "fp32",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "recording events, pictures and sound into" in done.stderr
    return folder


def test_the_events_are_those_of_the_output(recorded):
    folder = the_one(recorded / "all")
    assert (folder / "events.jsonl").read_bytes() == (recorded / "output.jsonl").read_bytes()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))])
    assert table["seq"].tolist() == [event["seq"] for event in events_in(folder / "events.jsonl")]
    assert not list(folder.glob(".*"))


def test_it_says_what_was_recorded(recorded, clip):
    folder = the_one(recorded / "all")
    said = json.loads((folder / "recording.json").read_text())
    events = events_in(folder / "events.jsonl")
    manifest = json.loads((STARTER / "manifest.json").read_text())
    assert said["bundle"]["name"] == manifest["name"]
    assert said["bundle"]["labels"] == manifest["labels"]
    assert len(said["bundle"]["sha256"]) == 64
    assert (said["engine"]["name"], said["engine"]["precision"]) == ("openvino", "fp32")
    assert said["started"] < said["ended"]
    assert (said["events_failed"], said["options"]["fast"], said["options"]["record-media"]) == (0, True, True)
    (stream,) = said["streams"]
    assert (stream["name"], stream["session"], stream["events"]) == ("desk", events[0]["session"], len(events))
    assert stream["options"]["input"] == str(clip)
    assert stream["media"]["file"] == "desk.mkv"
    assert stream["media"]["pictures"] == 150
    assert (stream["media"]["pictures_dropped"], stream["media"]["failure"]) == (0, None)


def test_every_session_has_a_folder_of_its_own(tmp_path):
    one, two, three = (make_folder(tmp_path / "all", 1795848125.0) for _ in range(3))
    assert [folder.name for folder in (one, two, three)] == [
        "20261128T064205Z", "20261128T064205Z-2", "20261128T064205Z-3",
    ]  # fmt: skip


def test_two_streams_in_one_session(clip, tmp_path):
    config = tmp_path / "fleet.toml"
    config.write_text(
        f'record = "{tmp_path}/all"\nrecord-media = true\nfast = true\nduration = 2\n'
        f'[streams.desk]\ninput = "{clip}"\n[streams.door]\ncamera = "{clip}"\nmic = "none"\n'
    )
    done = run("--config", config)
    assert done.returncode == 0, done.stderr
    folder = the_one(tmp_path / "all")
    events = events_in(folder / "events.jsonl")
    said = json.loads((folder / "recording.json").read_text())
    for stream in said["streams"]:
        of_it = [event for event in events if event["stream"] == stream["name"]]
        assert len(emotions(of_it)) == 5
        assert {event["session"] for event in of_it} == {stream["session"]}
    assert len(pictures_of(folder / "door.mkv")) >= 45
    assert sound_of(folder / "desk.mkv")[1].size > 16_000


def test_no_secret_is_told():
    config = Config(
        streams=(StreamConfig(camera="rtsp://me:secret@door.local/live?token=secret", mic="none"),), keys="secret"
    )
    told = str(options_of(config)) + str(options_of(config.streams[0]))
    assert "secret" not in told
    assert "rtsp://door.local/live" in told


def test_media_needs_a_recording(clip):
    with pytest.raises(ConfigError, match="name a folder with --record"):
        Config(record_media=True)
    assert "name a folder with --record" in one_line_error(run("--input", clip, "--record-media"))


def test_where_nothing_can_be_written(clip, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "inside"):
        assert f"can't record into {place}" in one_line_error(run("--input", clip, "--record", place))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_session_that_never_began_leaves_no_recording(tmp_path):
    done = run("--input", "nowhere.mp4", "--record", tmp_path / "all", "--record-media")
    assert done.returncode == 1
    assert "nowhere.mp4 does not exist" in done.stderr
    assert os.listdir(tmp_path / "all") == []


@pytest.mark.fault(
    "Disk that is full while `--record` writes",
    "files may have a few kilobytes and no more",
    "said once; recognition goes on, every line is whole, media can be played up to there, exit code 1",
)
@pytest.mark.parametrize("room", [6000, 40_000])
def test_a_full_disk_is_said_and_recognition_goes_on(clip, tmp_path, room):
    """The first room is too small for all events, the second for the media."""
    options = ["--input", clip, "--fast", "--record", tmp_path / "all", *PORT]
    command = [*COMMAND, *map(str, options), "--record-media"]

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("can't record pictures and sound into") == 1
    (error,) = [line for line in done.stderr.splitlines() if "emostream: error: " in line]
    assert "default.mkv ends early (File too large)" in error
    folder = the_one(tmp_path / "all")
    events = [decode(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    assert [event.seq for event in events] == list(range(len(events)))
    if room == 6000:
        assert done.stderr.count("can't write events to") >= 1
        assert "events could not be written" in error
    else:
        assert len(events) > 10
        assert len(pictures_of(folder / "default.mkv")) > 5  # it can be played up to there


@pytest.mark.fault(
    "`kill -9` while `--record-media` records",
    "the process is killed in the middle of a clip at live pace",
    "events lose the last line at most, and the media can be played up to three seconds before",
)
def test_a_process_that_is_killed_leaves_what_can_be_read(clip, tmp_path):
    command = [*COMMAND, "--input", str(clip), *PORT, "--record", str(tmp_path / "all"), "--record-media"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until, events = time.monotonic() + 30, []
        while len(events) < 14:  # 4.5 s of the clip
            assert time.monotonic() < until
            time.sleep(0.05)
            files = list(tmp_path.glob("all/*/events.jsonl"))
            events = files[0].read_bytes().splitlines() if files else []
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    folder = the_one(tmp_path / "all")
    whole = [decode(line) for line in (folder / "events.jsonl").read_bytes().split(b"\n")[:-1]]
    assert len(whole) >= 14
    reached = whole[-1].media_time
    assert pictures_of(folder / "default.mkv")[-1][0] > reached - 3.0
    assert sound_of(folder / "default.mkv")[1].size > (reached - 3.0) * 16_000
    said = json.loads((folder / "recording.json").read_text())
    assert said["ended"] is None
    assert said["engine"]["name"] == "openvino"
    assert said["streams"][0]["events"] is None
    assert said["streams"][0]["media"]["file"] == "default.mkv"
    # The next session makes a Parquet file of what this one has left in its journal.
    if list(folder.glob(".events-*.jsonl")):
        done = run("--input", clip, "--fast", "--duration", 1, "--record", tmp_path / "all")
        assert done.returncode == 0, done.stderr
        pd = pytest.importorskip("pandas")
        tables = [pd.read_parquet(file) for file in folder.glob("*.parquet")]
        assert sum(map(len, tables)) in (len(whole), len(whole) + 1)
        assert not list(folder.glob(".events-*.jsonl"))


def test_a_live_camera_that_is_stopped_by_a_signal(mjpeg_server, tmp_path):
    command = [*COMMAND, "--camera", mjpeg_server.url, "--mic", "none", *PORT, "--record", str(tmp_path / "all")]
    process = subprocess.Popen([*command, "--record-media"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until, events = time.monotonic() + 30, []
    while len(events) < 4:
        assert time.monotonic() < until
        time.sleep(0.05)
        files = list(tmp_path.glob("all/*/events.jsonl"))
        events = files[0].read_bytes().splitlines() if files else []
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    folder = the_one(tmp_path / "all")
    said = json.loads((folder / "recording.json").read_text())
    (stream,) = said["streams"]
    assert said["ended"] is not None
    assert stream["options"]["camera"] == mjpeg_server.url
    last = decode((folder / "events.jsonl").read_bytes().splitlines()[-1]).media_time
    times = [t for t, _ in pictures_of(folder / "default.mkv")]
    assert len(times) == stream["media"]["pictures"]
    assert times[0] == 0.0
    assert times[-1] > last - 0.2
    with av.open(str(folder / "default.mkv")) as container:
        assert container.duration > 1_000_000  # which a clean end writes
        assert not container.streams.audio


def test_without_pyarrow_there_are_json_lines(clip, tmp_path):
    (tmp_path / "pyarrow").mkdir()
    (tmp_path / "pyarrow" / "__init__.py").write_text("raise ImportError('no pyarrow')\n")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH"), *sys.path[:1]])])
    done = run(
        "--input", clip, "--fast", "--duration", 1, "--record", tmp_path / "all", env=os.environ | {"PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stderr
    assert 'pip install "emostream[parquet]"' in done.stderr
    folder = the_one(tmp_path / "all")
    assert sorted(os.listdir(folder)) == ["events.jsonl", "recording.json"]
    assert json.loads((folder / "recording.json").read_text())["files"] == ["events.jsonl"]


def claps_with_flashes(path, count):
    """A stream of MPEG, of some seconds: a clap and a flash in each."""
    with av.open(str(path), "w", format="mpegts") as container:
        video = container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "15"}
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for n in range(30 * count):
            image = np.full((240, 320, 3), 220 if n % 30 in (15, 16, 17) else 30, np.uint8)
            image[:, : 160 + n % 50] //= 2  # a live picture is never the same twice
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = n, Fraction(1, 30)
            container.mux(video.encode(frame))
            first = n * 16_000 // 30
            sound = np.zeros((n + 1) * 16_000 // 30 - first, np.float32)
            if n % 30 == 15:
                sound[:300] = 0.9
            block = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = 16_000, first, Fraction(1, 16_000)
            container.mux(audio.encode(block))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def begins(times):
    """The first of each run of times that are near each other."""
    return times[np.insert(np.diff(times) > 0.2, 0, True)]


def test_a_live_stream_keeps_claps_and_flashes_together(tmp_path):
    data = claps_with_flashes(tmp_path / "claps.ts", 9).read_bytes()

    def feed():
        begun = time.monotonic()
        for first in range(0, len(data), 188 * 7):
            due = begun + 9.0 * first / len(data)
            yield data[first : first + 188 * 7], max(0.0, due - time.monotonic())

    with FaultyServer(feed, "video/mp2t", "live.ts") as server:
        done = run("--input", server.url, "--duration", 5, "--record", tmp_path / "all", "--record-media")
    assert done.returncode == 0, done.stderr
    folder = the_one(tmp_path / "all")
    start, samples = sound_of(folder / "default.mkv")
    assert start == 0.0
    claps = begins(np.flatnonzero(np.abs(samples) > 0.3) / 16_000)
    flashes = begins(np.array([t for t, image in pictures_of(folder / "default.mkv") if image.mean() > 80]))
    assert len(claps) >= 3
    for clap in claps[:-1]:
        assert np.abs(flashes - clap).min() < 0.02
    # The events' times of day are those of the file, plus one and the same offset.
    offsets = [event["t_end"] - event["media_time"] for event in emotions(events_in(folder / "events.jsonl"))]
    assert max(offsets) - min(offsets) < 0.02
