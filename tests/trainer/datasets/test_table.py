from __future__ import annotations

from pathlib import Path

import pytest

from emostream.engines.errors import ConfigError, DataError
from emostream.trainer.datasets import table
from emostream.trainer.datasets.base import ReadOptions
from tests.trainer.datasets.trees import per_label, tree, whose

ROWS = "path,subject,label\na/1.wav,ann,bored\na/2.mp4,ann,happy\n\nb/1.wav,bob,bored\nb/2.MP4,bob,happy\n"
FILES = ("a/1.wav", "a/2.mp4", "b/1.wav", "b/2.MP4")


def folder(root: Path, text: str = ROWS, name: str = "recordings.csv") -> Path:
    tree(root, FILES)
    (root / name).write_bytes(text.encode())
    return root


def test_all_labels_of_a_table(tmp_path: Path) -> None:
    data = table.read(folder(tmp_path), ReadOptions())
    assert data.name == "csv"
    assert data.labels == ("bored", "happy")
    assert data.protocol == "subjects"
    assert whose(data) == {
        "a/1.wav": ("ann", "bored"),
        "a/2.mp4": ("ann", "happy"),
        "b/1.wav": ("bob", "bored"),
        "b/2.MP4": ("bob", "happy"),
    }
    assert whose(table.read(tmp_path / "recordings.csv", ReadOptions())) == whose(data)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + ROWS,
        ROWS.replace(",", ";"),
        ROWS.replace(",", "\t").replace("\n", "\r\n"),
        ROWS.replace("path,subject,label", "Path , SUBJECT, Label"),
        ROWS.replace("a/1.wav", r"a\1.wav").replace("b/1.wav", '"./b/../b/1.wav"'),
        "take," + ROWS.replace("\na", "\n1,a").replace("\nb", "\n2,b"),
    ],
)
def test_tables_as_people_save_them(tmp_path: Path, text: str) -> None:
    assert len(table.read(folder(tmp_path, text), ReadOptions()).recordings) == 4


def test_labels_can_be_chosen_and_merged(tmp_path: Path) -> None:
    text = ROWS + "a/3.wav,ann,calm\n"
    tree(tmp_path, ["a/3.wav"])
    assert table.read(folder(tmp_path, text), ReadOptions(("happy", "calm"))).labels == ("happy", "calm")
    merged = table.read(tmp_path, ReadOptions(merge={"calm": "neutral"}))
    assert per_label(merged) == {"bored": 2, "happy": 2, "neutral": 1}
    with pytest.raises(ConfigError, match="data set csv has no joy; choose from bored, calm, happy"):
        table.read(tmp_path, ReadOptions(("joy", "happy")))


def test_other_tables_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "ages.csv").write_text("subject,age\nann,30\n")
    assert len(table.read(tmp_path, ReadOptions()).recordings) == 4
    folder(tmp_path, name="second.csv")
    with pytest.raises(DataError, match=r"has the tables recordings.csv and second.csv; give the path of one"):
        table.read(tmp_path, ReadOptions())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a/1.wav,,sad", "row 7: path 'a/1.wav', subject '' and label 'sad': expected none of them empty"),
        ("a/9.wav,ann", "row 7: path 'a/9.wav', subject 'ann' and label '': expected none"),
        ("../x.wav,ann,sad", r"row 7: ../x.wav leaves the table's folder; give a path below it"),
        ("a/../../x.wav,ann,sad", "leaves the table's folder"),
        ("/etc/x.wav,ann,sad", "leaves the table's folder"),
        ("C:\\x.wav,ann,sad", "leaves the table's folder"),
        ("a/1.txt,ann,sad", r"row 7: a/1.txt is no recording; expected a file with one of .*\.avi"),
        ("a/9.wav,ann,very sad", "row 7: label 'very sad' is no name; expected 1 to 64 letters"),
        ("a/9.wav,ann,Happy", "row 7: label 'Happy' was written 'happy' before; write it in one way"),
        ("./a/1.wav,ann,bored", "row 7: a/1.wav has a row before; leave one"),
        ("a/9.wav,ann,sad", "names a/9.wav, which can't be found in .*; give paths relative to the table's folder"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table.read(folder(tmp_path, ROWS + row), ReadOptions())


def test_many_missing_files_are_counted(tmp_path: Path) -> None:
    text = ROWS + "".join(f"c/{n}.wav,cem,sad\n" for n in range(5))
    with pytest.raises(DataError, match=r"names c/0.wav, c/1.wav, c/2.wav and 2 more, which can't be found"):
        table.read(folder(tmp_path, text), ReadOptions())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "notes.txt",
            "",
            r"has no table of recordings \(it has no CSV file\); expected a CSV with path, subject, label",
        ),
        ("a.csv", "file,label\n", r"has no table of recordings \(the header of a.csv lacks some\)"),
        ("a.csv", "", "the header of a.csv lacks some"),
        ("a.csv", 'path,subject,label\n"a/1.wav,ann,sad\n', "a.csv is no CSV file: .*; save it as CSV again"),
        ("a.csv", "path,subject,label\n", "data set csv has no recordings"),
    ],
)
def test_folders_without_a_table(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        table.read(tmp_path, ReadOptions())


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text("hello\n")
    with pytest.raises(DataError, match=r"notes.csv has no columns path, subject, label; give it a first row"):
        table.read(file, ReadOptions())
