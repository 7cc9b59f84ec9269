"""Data sets cut into segments: nothing is lost silently, nothing finished is done again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console

from emostream.engines.errors import ConfigError, DataError
from emostream.engines.frontend.detectors.choose import VIOLA_JONES, DetectorChoice
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.offline import OfflineRecording
from emostream.trainer.actors.clip import Line, samples, write_clip
from emostream.trainer.datasets.base import DataSet, Recording
from emostream.trainer.reports.preparation import Preparation, preparation_tables
from emostream.trainer.segments import prepare as prepare_module
from emostream.trainer.segments.prepare import PreparedSet, prepare, store_of
from emostream.trainer.segments.store import SegmentStore
from tests.media_files import write_media

SIZE = (160, 120)
TURN = (Line("joy", 1.3),)

GOOD = ("anger.mp4", "fear.mp4", "joy.mp4", "sadness.mp4")
KEPT = {
    "faceless.mp4": ["no face"],
    "grey.mkv": ["no face", "no voice"],
    "mute.mp4": ["no voice"],
    "no numbers.mkv": ["no face"],  # single values that are no numbers count as silence
    "pictures only.mkv": ["no sound"],
    "sound only.wav": ["no pictures"],
}
LOST = {
    "cut short.mp4": "can't be decoded",
    "empty.avi": "can't be decoded",
    "folder.mp4": "can't be decoded",
    "grey and silent.mkv": "neither sound nor a face",
    "gone.mp4": "can't be decoded",
    "notes.mp4": "can't be decoded",
    "short.mp4": "too short",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good recordings, and every kind of bad ones."""
    root = tmp_path_factory.mktemp("recordings")
    voice = samples(TURN, actor=1)
    for name in GOOD:
        write_clip(root / name, actor=1, script=(Line(Path(name).stem, 1.3),), size=SIZE)
    write_clip(root / "faceless.mp4", actor=1, script=(Line("joy", 1.3, face=False),), size=SIZE)
    write_clip(root / "mute.mp4", actor=1, script=(Line("joy", 1.3, speaking=False),), size=SIZE)
    write_clip(root / "short.mp4", actor=1, script=(Line("joy", 0.5),), size=SIZE)
    write_media(root / "grey.mkv", seconds=1.3, size=SIZE, sound=0 * voice)
    write_media(root / "grey and silent.mkv", seconds=1.3, size=SIZE)
    write_media(root / "sound only.wav", sound=voice, pictures=False)
    write_media(
        root / "no numbers.mkv", seconds=1.3, size=SIZE, sound=np.where(np.arange(voice.size) == 9000, np.nan, voice)
    )
    without_sound(root / "joy.mp4", root / "pictures only.mkv")
    whole = (root / "joy.mp4").read_bytes()
    (root / "cut short.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "empty.avi").touch()
    (root / "folder.mp4").mkdir()
    (root / "notes.mp4").write_text("no film")
    return root


def without_sound(source: Path, target: Path) -> None:
    with av.open(str(source)) as whole, av.open(str(target), "w") as pictures:
        stream = pictures.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                pictures.mux(packet)


def data_set(folder: Path, names: Sequence[str]) -> DataSet:
    """Each recording by a subject of its own, but for the bad ones."""
    recordings = tuple(
        Recording(name, "bad" if name in LOST else f"of {name}", "joy", folder / name) for name in sorted(names)
    )
    return DataSet("drawn", ("joy", "anger"), recordings, "subjects", {})


class Cut:
    """What a preparation gave, and which recordings it cut."""

    def __init__(self, data: DataSet, cache: Path, *, jobs: int = 2, detector: DetectorChoice = VIOLA_JONES) -> None:
        told: list[tuple[str, float]] = []
        self.found: PreparedSet = prepare(
            data, cache, jobs=jobs, detector=detector, progress=lambda each, s: told.append((each.name, s))
        )
        assert sorted(name for name, _ in told) == [each.name for each in data.recordings]
        self.names = sorted(name for name, seconds in told if seconds)
        self.seconds = sum(seconds for _, seconds in told)

    @property
    def used(self) -> list[str]:
        return [each.recording.name for each in self.found.recordings]


def contents(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def everything(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Cut, DataSet, Path]:
    cache = tmp_path_factory.mktemp("all") / "cache"
    data = data_set(folder, [*GOOD, *KEPT, *LOST])
    return Cut(data, cache), data, cache


def test_every_recording_is_used_or_named(everything: tuple[Cut, DataSet, Path], folder: Path) -> None:
    done, data, _ = everything
    assert done.used == sorted([*GOOD, *KEPT])
    problems = [(each.recording.name, each.kind, each.lost) for each in done.found.problems]
    kept = [(name, kind, False) for name, kinds in KEPT.items() for kind in kinds]
    assert problems == sorted([*kept, *((name, kind, True) for name, kind in LOST.items())])
    details = {each.recording.name: each.detail for each in done.found.problems}
    assert details["short.mp4"] == "0.500 s, expected at least 0.655 s"
    assert details["gone.mp4"] == f"{folder / 'gone.mp4'} can't be read: No such file or directory"
    assert "is no audio or video that can be read" in details["empty.avi"]
    assert done.seconds == pytest.approx(len([*GOOD, *KEPT]) * 1.3 + 1.3 + 0.5, abs=0.3)
    assert len(data.recordings) == len(done.used) + len(LOST)


def test_the_report_counts_all_of_them(everything: tuple[Cut, DataSet, Path]) -> None:
    done, data, _ = everything
    report = Preparation.of(done.found)
    segments = [each.segments for each in done.found.recordings]
    total = sum(map(len, segments))
    assert (report.found, report.used) == (len(data.recordings), len(GOOD) + len(KEPT))
    assert report.lost_by_subject == {"bad": len(LOST)}
    assert sum(report.found_by_subject.values()) == len(data.recordings)
    assert report.segments == total == 3 * report.used
    assert report.voiced_share == sum(each.voiced.sum() for each in segments) / total
    assert report.face_share == sum(each.faces.sum() for each in segments) / total
    assert 0.5 < report.voiced_share < 1 - 3 / total
    assert 0.5 < report.face_share < 1 - 3 / total
    console = Console(width=40, record=True)
    console.print(preparation_tables(report), soft_wrap=True)
    lines = console.export_text().splitlines()
    assert lines[0] == f"10 of 17 recordings of {len(GOOD) + len(KEPT) + 1} subjects"
    counts = Counter(kind for kinds in KEPT.values() for kind in kinds)
    headings = [f"{kind} (kept): {count}" for kind, count in counts.items()]
    headings += [f"{kind}: {count}" for kind, count in Counter(LOST.values()).items()]
    assert set(headings) <= set(lines)
    for name in LOST:
        assert len([line for line in lines if line.startswith(f"  {name}")]) == 1


def test_segments_are_the_front_ends(everything: tuple[Cut, DataSet, Path], folder: Path) -> None:
    (joy,) = (each for each in everything[0].found.recordings if each.recording.name == "joy.mp4")
    with OfflineRecording(str(folder / "joy.mp4"), ViolaJones()) as recording:
        for index, segment in enumerate(recording):
            assert segment.mel is not None
            assert segment.clip is not None
            np.testing.assert_array_equal(joy.segments.mel(index), segment.mel)
            np.testing.assert_array_equal(joy.segments.clip(index), segment.clip)


def test_a_second_time_cuts_what_is_damaged_and_nothing_else(
    everything: tuple[Cut, DataSet, Path], folder: Path, tmp_path: Path
) -> None:
    first, data, cache = everything
    shutil.copytree(cache, tmp_path / "cache")
    cache = tmp_path / "cache"
    store = store_of(cache)
    table = _files(store, folder / "joy.mp4")[0]
    crops = _files(store, folder / "fear.mp4")[1]
    for damaged in (table, crops):
        damaged.write_bytes(damaged.read_bytes()[:-1])
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")}
    left = table.with_name(f".{table.stem}.1.part{table.suffix}")  # by a process that was killed long ago
    left.touch()
    os.utime(left, (0, 0))
    second = Cut(data, cache)
    assert second.names == ["fear.mp4", "joy.mp4"]
    assert second.found.problems == first.found.problems
    assert second.used == first.used
    assert contents(cache) == contents(everything[2])
    changed = {path.name for path, at in before.items() if path.stat().st_mtime_ns != at}
    assert changed == {file.name for name in second.names for file in _files(store, folder / name)}
    assert Cut(data, cache, jobs=1).names == []


def _files(store: SegmentStore, recording: Path) -> tuple[Path, Path]:
    segments = store.load(store.key(recording))
    assert segments is not None
    return segments.file.with_suffix(".npz"), segments.file


def test_one_process_gives_the_same_bytes(everything: tuple[Cut, DataSet, Path], tmp_path: Path) -> None:
    first, data, cache = everything
    alone = Cut(data, tmp_path, jobs=1)
    assert contents(tmp_path) == contents(cache)
    assert alone.found.problems == first.found.problems
    assert alone.used == first.used
    assert alone.names == first.names


def test_tracks_that_all_lack_are_no_problem(everything: tuple[Cut, DataSet, Path], folder: Path) -> None:
    """A data set of sound alone isn't faulty."""
    for name in ("sound only.wav", "pictures only.mkv"):
        assert Cut(data_set(folder, [name]), everything[2]).found.problems == ()


def test_a_recording_of_exactly_one_segment_is_not_too_short(tmp_path: Path) -> None:
    voice = samples(TURN, actor=1)
    for count in (10_480, 10_479):
        write_media(tmp_path / f"{count}.wav", sound=voice[:count], pictures=False)
    done = Cut(data_set(tmp_path, ["10480.wav", "10479.wav"]), tmp_path / "cache")
    assert done.used == ["10480.wav"]
    assert [each.recording.name for each in done.found.problems if each.kind == "too short"] == ["10479.wav"]


def test_no_usable_recording_is_one_error(everything: tuple[Cut, DataSet, Path], folder: Path) -> None:
    with pytest.raises(DataError) as raised:
        prepare(data_set(folder, ["empty.avi", "notes.mp4", "short.mp4"]), everything[2], jobs=2)
    assert str(raised.value).startswith("none of the 3 recordings of data set drawn can be used (")
    assert "2 can't be decoded" in str(raised.value)
    assert "1 too short" in str(raised.value)
    assert f"first empty.avi: {folder / 'empty.avi'} is no audio" in str(raised.value)


def cut_or_die(store: SegmentStore, detector: DetectorChoice, recording: Recording) -> tuple[str, float]:
    if recording.name == "joy.mp4":
        os.kill(os.getpid(), signal.SIGKILL)
    return _cut(store, detector, recording)


_cut = prepare_module._cut


@pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX")
def test_a_killed_worker_costs_its_recording_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_set(folder, GOOD)
    with monkeypatch.context() as patched:
        patched.setattr(prepare_module, "_cut", cut_or_die)
        done = Cut(data, tmp_path)
    assert done.used == ["anger.mp4", "fear.mp4", "sadness.mp4"]
    (problem,) = done.found.problems
    assert (problem.recording.name, problem.kind, problem.lost) == ("joy.mp4", "failed", True)
    assert problem.detail.startswith("joy.mp4: its worker was killed twice")
    assert Cut(data, tmp_path).names == ["joy.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX")
def test_killed_in_the_middle_it_cuts_the_rest(tmp_path: Path) -> None:
    rows = ["path,subject,label"]
    for seed in range(7):
        write_clip(tmp_path / f"{seed}.mp4", actor=2, script=TURN, size=SIZE, seed=seed)
        rows.append(f"{seed}.mp4,ann,{('joy', 'anger')[seed % 2]}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    cache = tmp_path / "cache"
    command = "from emostream.trainer.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", command, "prepare", tmp_path, "--dataset=csv", "--jobs=2", f"--cache={cache}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(cache.rglob("[!.]*.npz"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
    finished = {path: path.stat().st_mtime_ns for path in cache.rglob("[!.]*.npz")}
    assert 2 <= len(finished) < 6
    data = data_set(tmp_path, [f"{seed}.mp4" for seed in range(7)])
    done = Cut(data, cache)
    assert len(done.names) == 7 - len(finished)
    assert len(done.used) == 7
    assert all(path.stat().st_mtime_ns == at for path, at in finished.items())


def test_a_cache_that_cannot_be_written_is_one_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine")
    with pytest.raises(DataError, match=r"segments can't be written to .*cache: .*; name a folder"):
        prepare(data_set(folder, GOOD), tmp_path / "cache", jobs=2)


def test_a_face_model_that_is_none_is_one_error(folder: Path, tmp_path: Path) -> None:
    data = data_set(folder, GOOD)
    yunet = DetectorChoice("yunet", tmp_path / "yunet.onnx")
    with pytest.raises(ConfigError, match=r"face model .*yunet\.onnx can't be read: No such file"):
        prepare(data, tmp_path / "cache", jobs=2, detector=yunet)
    (tmp_path / "yunet.onnx").write_text("no model")
    with pytest.raises(ConfigError, match=r"face model .*yunet\.onnx is no YuNet model"):
        prepare(data, tmp_path / "cache", jobs=2, detector=yunet)
    assert not list((tmp_path / "cache").rglob("*.*"))
