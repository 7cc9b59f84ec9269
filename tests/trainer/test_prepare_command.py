"""`emostream-train prepare` as its user runs it, on a few drawn recordings."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emostream.trainer.actors.dataset import write_dataset
from emostream.trainer.cli import main
from tests.trainer.test_init import run

BAD = "broken [/b]/one with spaces.mp4"  # the report takes no part of a name for markup


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn recordings of one person, and two files that are none."""
    root = tmp_path_factory.mktemp("above") / "drawn"  # what lies beside it is part of what is said
    write_dataset(root, "csv", subjects=1, takes=1, seconds=1.0, size=(160, 120), seed=3, jobs=2, progress=None)
    for name, text in ((BAD, ""), ("notes.mp4", "no film")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with (root / "recordings.csv").open("a") as table:
        table.write(f"{BAD},bea,joy\nnotes.mp4,bea,anger\n")
    return root


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: str | Path) -> tuple[int, str]:
    """The exit code and the one line of a refusal."""
    monkeypatch.setattr(sys, "argv", ["emostream-train", "prepare", *map(str, args)])
    with pytest.raises(SystemExit) as stopped:
        main()
    output = capsys.readouterr()
    assert not output.out
    (line,) = output.err.strip().splitlines()
    assert line.startswith("emostream-train: error: ")
    return int(stopped.value.code or 0), line


def test_a_data_set_is_cut_once_and_all_of_it_accounted_for(root: Path, tmp_path: Path) -> None:
    command = ("prepare", root, "--dataset", "csv", "--cache", tmp_path / "cache", "--jobs", "2")
    first = run(*command, before="sys.modules['torch'] = None")
    assert first.returncode == 0
    assert not first.stderr.strip()
    lines = first.stdout.splitlines()
    assert lines[0] == "6 of 8 recordings of 2 subjects"
    assert re.fullmatch(r"\d+ segments: voice in \d+%, face in \d+%", lines[1])
    (row,) = (line for line in lines if "bea" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["bea", "2", "2"]
    assert "can't be decoded: 2" in lines
    for name in (BAD, "notes.mp4"):
        (row,) = (line for line in lines if line.startswith(f"  {name}: "))
        assert row.endswith("or something else")  # whole, however long
    match = re.fullmatch(r"(\d+) s of recordings cut in \d+ s: \d+\.\d times real time per process\.", lines[-2])
    assert match is not None
    assert 5 <= int(match[1]) <= 7
    assert lines[-1] == f"Segments in {tmp_path / 'cache'}."
    again = run(*command)
    assert again.returncode == 0
    assert again.stdout.splitlines() == [*lines[:-2], lines[-1]]


def test_classes_are_chosen_and_merged(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--labels=anger,fear", "--merge=surprise=fear", f"--cache={tmp_path}", "--jobs=1"]
    monkeypatch.setattr(sys, "argv", ["emostream-train", "prepare", str(root), "--dataset=csv", *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 of 4 recordings of 2 subjects"
    assert "left out: 4 (other emotions)" in lines
    assert len(list(tmp_path.rglob("*.npz"))) == 3


def empty_table(root: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    (tmp_path / "table.csv").write_text("path,subject,label\n")
    return (tmp_path, "--dataset=csv")


def nothing_usable(root: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    (tmp_path / "table.csv").write_text("path,subject,label\na.mp4,ann,joy\nb.mp4,ann,anger\n")
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.mp4").write_text("no film")
    return (tmp_path, "--dataset=csv", f"--cache={tmp_path / 'cache'}", "--jobs=1")


def file_as_cache(root: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    (tmp_path / "mine").touch()
    return (root, "--dataset=csv", f"--cache={tmp_path / 'mine'}", "--jobs=1")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (lambda root, _: (root / "gone", "--dataset=csv"), 1, ["gone doesn't exist; give the folder of data set csv"]),
        (lambda root, _: (root, "--dataset=rml"), 1, ["has no recordings of data set rml: expected rml-1", "check"]),
        (lambda _, empty: (empty, "--dataset=baum1s"), 1, ["has no recordings of data set baum1s"]),
        (lambda _, empty: (empty, "--dataset=csv"), 1, ["it has no CSV file", "expected a CSV with path, subject"]),
        (empty_table, 1, ["no recordings"]),
        (nothing_usable, 1, ["none of the 2 recordings of data set csv", "2 can't be decoded", "a.mp4", "check"]),
        (lambda root, _: (root, "--dataset=semaine"), 1, ["data set 'semaine' is unknown; choose rml, enterface05"]),
        (lambda root, _: (root,), 2, ["--dataset"]),
        (lambda root, _: (root, "--dataset=csv", "--jobs=-1"), 2, ["--jobs", "greater than or equal to 0"]),
        (lambda root, _: (root, "--dataset=csv", "--merge=joy"), 1, ["--merge 'joy' names no two classes", "calm="]),
        (lambda root, _: (root, "--dataset=csv", "--merge=calm=joy"), 1, ["no calm that could be merged", "anger"]),
        (lambda root, _: (root, "--dataset=csv", "--labels=joy,glee"), 1, ["has no glee; choose from anger"]),
        (lambda root, _: (root, "--dataset=csv", "--modality=sound"), 1, ["modality 'sound' is unknown; choose audio"]),
        (file_as_cache, 1, ["segments can't be written to", "mine: Not a directory; name a folder", "--cache"]),
        (
            lambda root, empty: (root, "--dataset=csv", f"--cache={empty}", f"--face-model={root / 'yunet.onnx'}"),
            1,
            ["face model", "yunet.onnx can't be read: No such file or directory; name YuNet's ONNX file"],
        ),
    ],
)
def test_what_cannot_be_prepared_is_one_line(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: object,
    code: int,
    says: list[str],
) -> None:
    assert callable(arguments)
    returned, line = refused(capsys, monkeypatch, *arguments(root, tmp_path))
    assert returned == code
    for part in says:
        assert part in line


def test_a_missing_package_names_the_extra(root: Path) -> None:
    done = run("prepare", root, "--dataset", "csv", before="sys.modules['threadpoolctl'] = None")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "threadpoolctl" in line
    assert 'pip install "emostream[train]"' in line


@pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX")
@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)],
    ids=["a terminal's Ctrl-C", "a supervisor's SIGTERM"],
)
def test_interrupted_it_stops_at_once_and_keeps_what_is_finished(
    root: Path, tmp_path: Path, number: int, send: Callable[[int, int], None]
) -> None:
    command = [sys.executable, "-c", "from emostream.trainer.cli import main; main()", "prepare", root, "--dataset=csv"]
    with subprocess.Popen(
        [*command, f"--cache={tmp_path}", "--jobs=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not (finished := list(tmp_path.rglob("*.npz"))):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        send(process.pid, number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert not out
    assert err == "emostream-train: error: interrupted; the same command goes on behind what was finished\n"
    assert all(file.exists() for file in finished)
    assert len(list(tmp_path.rglob("*.npz"))) < 6
