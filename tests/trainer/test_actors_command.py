"""`emostream-train actors` as its user runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emostream.trainer.cli import main
from tests.trainer.test_init import failure, run

SMALL = ("--layout", "csv", "--subjects", "1", "--takes", "1", "--seconds", "1", "--size", "64x48", "--jobs", "2")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("actors") / "with space"
    done = run("actors", out, *SMALL, before="sys.modules['torch'] = None")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"6 recordings of 1 invented person in {out}.\n"
    return out


def test_a_data_set_is_drawn(drawn: Path) -> None:
    assert len(list(drawn.rglob("*.mp4"))) == 6
    assert len((drawn / "recordings.csv").read_text().splitlines()) == 7


def test_an_unfinished_one_is_gone_on_with(
    drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path: path.stat().st_mtime_ns for path in drawn.rglob("*.mp4")}
    lost = max(files)
    content = lost.read_bytes()
    lost.unlink()
    monkeypatch.setattr(sys, "argv", ["emostream-train", "actors", str(drawn), *SMALL])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert capsys.readouterr().out.startswith("6 recordings ")
    assert lost.read_bytes() == content
    assert {path for path, at in files.items() if path.stat().st_mtime_ns != at} == {lost}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "--layout"),
        (("--layout=savee",), 1, "layout 'savee' is unknown; choose rml, enterface05, baum1s, csv"),
        (("--layout=csv", "--subjects=0"), 2, "--subjects"),
        (("--layout=csv", "--takes=x"), 2, "--takes"),
        (("--layout=csv", "--seconds=0.5"), 1, "recordings of 0.5 seconds can't be spoken; give 1.0 to 600.0"),
        (("--layout=csv", "--seconds=1e9"), 1, "recordings of 1000000000.0 seconds can't be spoken"),
        (("--layout=csv", "--seconds=nan"), 1, "recordings of nan seconds can't be spoken"),
        (("--layout=csv", "--size=320"), 1, "--size 320 is no size; expected such as 320x240"),
        (("--layout=csv", "--size=321x240"), 1, "size 321x240 can't be encoded; give an even width and height"),
        (("--layout=csv", "--seed=-1"), 2, "--seed"),
        (("--layout=csv", "--jobs=-1"), 2, "--jobs"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    returned, line = failure(capsys, monkeypatch, "actors", str(tmp_path / "out"), *arguments)
    assert returned == code
    assert says in line
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_filled_are_one_line(
    drawn: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    for out, says in (
        (tmp_path, "isn't empty, and holds no data set of actors; give an empty folder"),
        (tmp_path / "letter.txt", "letter.txt: File exists; choose another folder"),
        (tmp_path / "letter.txt" / "below", "Not a directory; choose another folder"),
    ):
        code, line = failure(capsys, monkeypatch, "actors", str(out), "--layout=csv")
        assert code == 1
        assert says in line
    code, line = failure(capsys, monkeypatch, "actors", str(drawn), *SMALL, "--seed=4")
    assert code == 1
    assert "was begun with seed 0 and not 4; give the same arguments, or another folder" in line
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_an_empty_argument_is_not_the_current_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, line = failure(capsys, monkeypatch, "actors", "", *SMALL)
    assert code == 2
    assert "an argument is empty, as from a variable that is not set" in line
