from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from emostream.engines.errors import ConfigError, PublishError
from emostream.trainer.actors.dataset import write_dataset
from emostream.trainer.actors.layouts import LAYOUTS
from emostream.trainer.actors.voice import SAMPLE_RATE_HZ
from emostream.trainer.datasets.base import PAPER_LABELS, DataSet, ReadOptions
from emostream.trainer.datasets.choose import read_dataset

SIZE = (64, 48)
SECONDS = 1.0

Progress = Callable[[int, int], None]


def draw(root: Path, layout: str = "rml", *, jobs: int = 1, progress: Progress | None = None, **other: object) -> int:
    arguments = {"subjects": 2, "takes": 1, "seconds": SECONDS, "size": SIZE, "seed": 8, **other}
    return write_dataset(root, layout, jobs=jobs, progress=progress, **arguments)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".part." not in path.name)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in each layout."""
    root = tmp_path_factory.mktemp("actors")
    for layout in LAYOUTS:
        assert draw(root / layout, layout) == 12
    return root


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_real_reader_finds_every_recording(drawn: Path, layout: str) -> None:
    data = read_dataset(layout, drawn / layout, ReadOptions())
    assert data.labels == PAPER_LABELS
    assert Counter((each.subject, each.label) for each in data.recordings) == {
        (subject, label): 1 for subject in data.subjects for label in PAPER_LABELS
    }
    assert len(data.subjects) == 2
    assert data.left_out == ({"other emotions": 2} if layout == "baum1s" else {})
    assert not list((drawn / layout).rglob("*.part*"))


@pytest.mark.parametrize("layout", ["rml", "csv"])
def test_a_recording_is_one_turn_between_silences(drawn: Path, layout: str) -> None:
    data = read_dataset(layout, drawn / layout, ReadOptions())
    lengths = set()
    for each in data.recordings[::5]:
        with av.open(str(each.path)) as file:
            assert (file.streams.video[0].width, file.streams.video[0].height) == SIZE
            pictures = sum(1 for _ in file.decode(video=0))
        with av.open(str(each.path)) as file:
            blocks = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
        sound = np.concatenate(blocks).astype(np.float64)
        seconds = len(sound) / SAMPLE_RATE_HZ
        assert 0.85 <= seconds <= 1.2
        assert pictures / 30 == pytest.approx(seconds, abs=0.1)
        lengths.add(pictures)
        tenths = sound[: len(sound) // 1600 * 1600].reshape(-1, 1600).std(axis=1)
        assert max(tenths[0], tenths[-1]) < 0.1 * np.median(tenths)
    assert len(lengths) > 1


def test_nothing_is_there_twice(drawn: Path) -> None:
    for layout in LAYOUTS:
        clips = [data for name, data in contents(drawn / layout).items() if name.endswith((".avi", ".mp4"))]
        assert len(clips) == len(set(clips)) >= 12


def test_any_number_of_processes_gives_the_same_bytes_after_a_stop_too(drawn: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        calls.append((done, total))
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "set", progress=stop, jobs=2)
    assert calls == [(n, 12) for n in range(6)]
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*.avi") if path.name[0] != "."}
    (stale := tmp_path / "set" / "rml-1" / "s1" / ".an1.1.part.avi").write_bytes(b"of a process that was killed")
    calls.clear()
    assert draw(tmp_path / "set", progress=lambda *call: calls.append(call), jobs=2) == 12
    assert 5 <= calls[0][0] <= 7  # the processes under way may have finished theirs
    assert calls == [(n, 12) for n in range(calls[0][0], 13)]
    assert not stale.exists()
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())
    assert contents(tmp_path / "set") == contents(drawn / "rml")


def test_another_seed_draws_other_people(drawn: Path, tmp_path: Path) -> None:
    draw(tmp_path, subjects=1, seed=9)
    assert not set(contents(tmp_path).values()) & {
        data for name, data in contents(drawn / "rml").items() if name.endswith(".avi")
    }


def test_the_quirks_of_the_real_layouts() -> None:
    names = {layout: {turn.name for turn in plan(17, 3).turns} for layout, plan in LAYOUTS.items()}
    assert {"rml-1/s5/an1.avi", "rml-2/s8/ha3.avi", "rml-1/s3/mandarin/su1.avi"} <= names["rml"]
    assert {
        "subject 3/happiness/sentence 2/s_3_ha_2.avi",
        "subject 6/anger/s6_an.avi",
        "subject 11/fear/sentence 1/s12_fe_1.avi",
        "subject 16/surprise/sentence 3/s16_su_3avi.avi",
    } <= names["enterface05"]
    assert "BAUM1s_MP4 - All/s017/S017_019.mp4" in names["baum1s"]
    assert "S001_004,Happiness,8" in LAYOUTS["baum1s"](1, 1).tables["Annotations_BAUM1s.csv"]
    assert (
        LAYOUTS["csv"](1, 1).tables["recordings.csv"].startswith("path,subject,label\nactor-001/anger-1.mp4,actor-001")
    )
    assert LAYOUTS["rml"](1, 1).strays == ["rml-1/s1/Thumbs.db"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "savee"}, "layout 'savee' is unknown; choose rml, enterface05, baum1s, csv"),
        ({"subjects": 0}, "0 subjects can't be drawn; give 1 to 999"),
        ({"subjects": 1000}, "1000 subjects can't be drawn"),
        ({"takes": 0}, "0 takes can't be drawn; give at least 1"),
        ({"seconds": 0.5}, r"recordings of 0.5 seconds can't be spoken; give 1.0 to 600.0"),
        ({"seconds": float("nan")}, "recordings of nan seconds"),
        ({"size": (63, 48)}, "size 63x48 can't be encoded; give an even width and height"),
        ({"seed": -1}, "seed -1 can't be used; give 0 or more"),
        ({"jobs": 0}, "0 processes can't draw; give at least 1"),
    ],
)
def test_what_cannot_be_drawn_is_told(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        draw(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_folders_of_others_are_left_alone(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(ConfigError, match="isn't empty, and holds no data set of actors; give an empty folder"):
        draw(tmp_path)
    with pytest.raises(ConfigError, match="rml was begun with takes 1 and not 2, seed 8 and not 3; give the same"):
        draw(drawn / "rml", takes=2, seed=3)
    with pytest.raises(PublishError, match=r"can't write .*letter.txt.*; choose another folder"):
        draw(tmp_path / "letter.txt" / "below")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_an_error_while_drawing_is_raised_and_what_is_finished_kept(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn / "rml", tmp_path / "set")
    lost = tmp_path / "set" / "rml-1" / "s2" / "an1.avi"
    lost.unlink()
    lost.mkdir()
    with pytest.raises(PublishError, match=r"can't write .*an1.*; choose another folder"):
        draw(tmp_path / "set")
    assert len(read_dataset("rml", tmp_path / "set", ReadOptions()).recordings) == 11


def test_a_complete_data_set_is_found_complete(drawn: Path) -> None:
    calls: list[tuple[int, int]] = []
    before = contents(drawn / "baum1s")
    assert draw(drawn / "baum1s", "baum1s", progress=lambda *call: calls.append(call)) == 12
    assert calls == [(14, 14)]
    assert contents(drawn / "baum1s") == before


def test_data_sets_of_actors_are_data_sets(drawn: Path) -> None:
    data = read_dataset("csv", drawn / "csv" / "recordings.csv", ReadOptions(("anger", "joy")))
    assert isinstance(data, DataSet)
    assert [each.name for each in data.recordings] == [
        f"actor-00{n}/{e}-1.mp4" for n in (1, 2) for e in ("anger", "joy")
    ]
