"""`emostream-train reproduce` as its user runs it, on drawn data in the layouts of the paper's data sets."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emostream.trainer.actors.dataset import write_dataset
from emostream.trainer.cli import main
from emostream.trainer.protocol.methods import METHODS

TABLES = ("Table I.", "Table II.", "Table III.", "Table IV.", "Table V.", "Table VI.", "Table X.", "Table XI.")
COMMAND = [sys.executable, "-c", "from emostream.trainer.cli import main; main()"]
SMALL = ("--preset", "compact", "--recipe", "scratch", "--epochs", "1", "--yes", "--seed", "5", "--jobs", "2")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two drawn and voiced people in each layout."""
    root = tmp_path_factory.mktemp("data")
    for layout in ("rml", "enterface05", "baum1s"):
        write_dataset(
            root / layout, layout, subjects=2, takes=1, seconds=1.2, size=(320, 240), seed=1, jobs=2, progress=None
        )
    return root


def arguments(data: Path, layout: str, out: Path, *more: str) -> list[str]:
    cache = data / "cache"
    return [
        *COMMAND,
        "reproduce",
        "--dataset",
        layout,
        str(data / layout),
        "--cache",
        str(cache),
        "--out",
        str(out),
        *SMALL,
        *more,
    ]


def run(command: list[str], **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, **options)


def decisions(out: Path) -> list[dict[str, str]]:
    with (out / "decisions.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("layout", "emotions"),
    [
        ("rml", "VII"),
        pytest.param("enterface05", "VIII", marks=pytest.mark.long),
        pytest.param("baum1s", "IX", marks=pytest.mark.long),
    ],
)
def test_every_table_in_every_layout(data, tmp_path, layout, emotions):
    out = tmp_path / "report"
    done = run(arguments(data, layout, out, "--folds", "1"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    text = (out / "report.md").read_text(encoding="utf-8")
    for table in (*TABLES, f"Table {emotions}."):
        assert table in done.stdout
        assert table in text
    rows = decisions(out)
    assert len(rows) == 6
    assert set(rows[0]) >= {method.key for method in METHODS}
    assert "about" in done.stderr  # how long it will take
    assert "1 of 2 folds" in text
    assert len(list((out / "figures").glob("*.png"))) >= 5


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_killed_it_goes_on_and_ray_gives_the_same(data, tmp_path):
    whole = run(arguments(data, "rml", tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen(
        arguments(data, "rml", tmp_path / "killed"), start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    place = tmp_path / "killed.work"
    deadline = time.monotonic() + 300
    while not list(place.glob("*/video/weights.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    trained = {file: file.stat().st_mtime_ns for file in place.glob("*/*/weights.pt")}
    assert trained
    assert not (tmp_path / "killed").exists()
    again = run(arguments(data, "rml", tmp_path / "killed", "--keep-weights"))
    assert again.returncode == 0, again.stderr
    assert all(file.stat().st_mtime_ns == at for file, at in trained.items())
    assert decisions(tmp_path / "killed") == decisions(tmp_path / "whole")
    ray = run(arguments(data, "rml", tmp_path / "ray", "--ray", "local"))
    assert ray.returncode == 0, ray.stderr
    assert decisions(tmp_path / "ray") == decisions(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--preset", "huge"], "--preset huge is unknown; choose paper or compact"),
        (["--recipe", "quick"], "--recipe quick is unknown"),
        (["--audio-weights", "absent.pth"], "absent.pth"),
        (["--precision", "int4"], "--precision int4 is unknown"),
        (["--dataset", "fer"], "'fer' is unknown"),
        (["--merge", "calm"], "'calm' names no two classes"),
        (["--labels", "joy"], "joy can't be told apart"),
    ],
)
def test_refusals_are_one_line(data, tmp_path, change, said, capsys, monkeypatch):
    words = arguments(data, "rml", tmp_path / "report")[len(COMMAND) :]
    monkeypatch.setattr(sys, "argv", ["emostream-train", *words, *change])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    text = capsys.readouterr().err
    assert said in text
    assert text.count("\n") == 1


def test_nobody_to_ask(data, tmp_path):
    command = [word for word in arguments(data, "rml", tmp_path / "report") if word != "--yes"]
    done = run(command, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "give --yes" in done.stderr


def test_a_folder_that_holds_something_else_is_not_replaced(data, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.tex").write_text("years of work")
    done = run(arguments(data, "rml", tmp_path / "report"))
    assert done.returncode == 1
    assert "thesis.tex" in done.stderr


def test_a_place_that_can_keep_no_work_is_refused_before_any_work(data, tmp_path):
    (tmp_path / "report.work").write_text("a file in its place")
    done = run(arguments(data, "rml", tmp_path / "report"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"kept in {tmp_path / 'report.work'}: {tmp_path / 'report.work'} is no folder; name another" in line
    assert line.endswith("folder with --out")
