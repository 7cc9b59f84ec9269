from __future__ import annotations

import csv
from pathlib import Path

import pytest

from emostream.engines.errors import DataError
from emostream.trainer.actors.layouts import LAYOUTS
from emostream.trainer.datasets import baum1s
from emostream.trainer.datasets.base import PAPER_LABELS, ReadOptions
from tests.trainer.datasets.trees import per_label, sheet, tree, whose

HEADER = ("No", "Subject", "Gender", "Clip Name", "Emotion", "Emotion Code")
# Codes of BAUM-1s and BAUM-1a, as their owners' sheets have them.
SPONTANEOUS = ("Anger", "Boredom", "Bothered", "Concentrating", "Contempt", "Disgust", "Fear", "Happiness", "Neutral")
SPONTANEOUS += ("Sadness", "Surprise", "Thinking", "Unsure")
ACTED = ("Anger", "Boredom", "Disgust", "Fear", "Happiness", "Interest", "Sadness", "Surprise", "Unsure")

Row = tuple[object, ...]


def rows(names: tuple[str, ...] = SPONTANEOUS, subjects: int = 3) -> list[Row]:
    return [
        (i, s, "F", f"S{s:03}_{i + 1:03}", name, i + 1) for s in range(1, subjects + 1) for i, name in enumerate(names)
    ]


def clips(table: list[Row]) -> list[str]:
    return [f"BAUM1s_MP4 - All/{str(row[3])[:4].lower()}/{row[3]}.mp4" for row in table]


def save_csv(path: Path, table: list[Row], delimiter: str = ",", encoding: str = "utf-8") -> None:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(table)


def check(root: Path) -> None:
    data = baum1s.read(root, ReadOptions())
    assert data.labels == PAPER_LABELS
    assert data.protocol == "five-groups"
    assert data.subjects == ("s001", "s002", "s003")
    assert per_label(data) == dict.fromkeys(PAPER_LABELS, 3)
    assert whose(data)["BAUM1s_MP4 - All/s002/S002_008.mp4"] == ("s002", "joy")
    assert data.left_out == {"other emotions": 21}


def test_the_owners_sheet(tmp_path: Path) -> None:
    sheet(tmp_path / "Annotations_BAUM1s.xlsx", [HEADER, *rows()])
    (tmp_path / "~$Annotations_BAUM1s.xlsx").write_bytes(b"a lock of Excel")
    check(tree(tmp_path, clips(rows())))


def test_beside_the_acted_part(tmp_path: Path) -> None:
    sheet(tmp_path / "Annotations_BAUM1s.xlsx", [HEADER, *rows()])
    sheet(tmp_path / "Annotations_BAUM1a.xlsx", [HEADER, *rows(ACTED)])
    tree(tmp_path, ["BAUM1a_MP4_all/s001/S001_001.mp4", "BAUM1a_MP4_all/s001/S001_099.mp4"])
    check(tree(tmp_path, clips(rows())))


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "cp1254"), ("\t", "utf-8")])
def test_the_sheet_as_csv(tmp_path: Path, delimiter: str, encoding: str) -> None:
    table = [("Kişi", *HEADER[1:]), *rows(), ("", "", "", "", "", "")]
    save_csv(tmp_path / "Annotations_BAUM1s.csv", table, delimiter, encoding)
    check(tree(tmp_path, clips(rows())))


def test_columns_in_any_order_and_with_other_headers(tmp_path: Path) -> None:
    table = [("code", "who", "file", "affect"), *((r[5], r[1], f"{r[3]}.mp4".lower(), r[4]) for r in rows())]
    sheet(tmp_path / "labels.xlsx", [("BAUM-1s", "", "", ""), *table[1:]])
    with pytest.raises(DataError, match="gives S001_001 the emotion 'Anger' and the code ''; expected the clip"):
        baum1s.read(tree(tmp_path, clips(rows())), ReadOptions())
    sheet(tmp_path / "labels.xlsx", table)
    check(tmp_path)


def test_other_emotions_when_asked_for(tmp_path: Path) -> None:
    sheet(tmp_path / "Annotations_BAUM1s.xlsx", [HEADER, *rows()])
    data = baum1s.read(tree(tmp_path, clips(rows())), ReadOptions(("bothered", "joy"), {"boredom": "bothered"}))
    assert per_label(data) == {"bothered": 6, "joy": 3}


def test_what_sheet_and_folder_do_not_share_is_counted(tmp_path: Path) -> None:
    sheet(tmp_path / "Annotations_BAUM1s.xlsx", [HEADER, *rows()])
    tree(tmp_path, [*clips(rows())[2:], "BAUM1s_MP4 - All/s003/S003_099.mp4", "BAUM1s_MP4 - All/s003/S003_001.srt"])
    data = baum1s.read(tmp_path, ReadOptions())
    assert data.left_out == {"in the sheet without a file": 2, "not in the sheet": 1, "other emotions": 20}


def test_one_row_in_doubt_among_many_is_left_out(tmp_path: Path) -> None:
    table = rows(subjects=10)
    table[5] = (*table[5][:5], 9)  # disgust with neutral's code
    sheet(tmp_path / "Annotations_BAUM1s.xlsx", [HEADER, *table])
    data = baum1s.read(tree(tmp_path, clips(table)), ReadOptions())
    assert "BAUM1s_MP4 - All/s001/S001_006.mp4" not in whose(data)
    assert data.left_out == {"name and code disagree in the sheet": 1, "other emotions": 70}


@pytest.mark.parametrize("cells", [("Neutral", 8), ("Happiness", 9)])
def test_the_slip_of_the_real_sheet_is_joy_as_in_the_paper(tmp_path: Path, cells: tuple[str, int]) -> None:
    table = [*rows(), (0, 15, "F", "S015_007", *cells)]
    sheet(tmp_path / "Annotations_BAUM1s.xlsx", [HEADER, *table])
    data = baum1s.read(tree(tmp_path, clips(table)), ReadOptions())
    assert whose(data)["BAUM1s_MP4 - All/s015/S015_007.mp4"] == ("s015", "joy")
    assert data.left_out == {"other emotions": 21}


def test_the_acted_parts_sheet_is_refused_under_any_name(tmp_path: Path) -> None:
    tree(tmp_path, clips(rows()))
    acted = sheet(tmp_path / "Annotations_BAUM1a.xlsx", [HEADER, *rows(ACTED)])
    with pytest.raises(DataError, match=r"no annotation sheet of BAUM-1s; Annotations_BAUM1a.xlsx is BAUM-1a's"):
        baum1s.read(tmp_path, ReadOptions())
    acted.rename(tmp_path / "Annotations.xlsx")
    message = (
        r"calls S001_003 Disgust with code 3, and 21 of 27 rows disagree .*1 anger, .*give Annotations_BAUM1s.xlsx"
    )
    with pytest.raises(DataError, match=message):
        baum1s.read(tmp_path, ReadOptions())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "has no column with a clip such as S001_001; expected columns for the clip"),
        ([("a", "b")], "has no column with a clip such as S001_001"),
        ([("clip", "code"), ("S001_001", 1)], "has no column with an emotion's name"),
        (
            [("clip", "emotion", "code"), ("S001_001", "Anger", 1), ("S001_002", "Rage", 1)],
            "S001_002 the emotion 'Rage'",
        ),
        ([("clip", "emotion", "code"), ("S001_001", "Anger", "one")], "S001_001 .* the code 'one'; expected"),
        ([("S001_001", "Anger")], "S001_001 the emotion 'Anger' and the code ''"),
        ([("S001_001", "Anger", 1), ("s001_001", "Anger", 1)], "two rows for S001_001; leave one"),
    ],
)
def test_sheets_that_cannot_be_used(tmp_path: Path, table: list[Row], message: str) -> None:
    save_csv(tmp_path / "labels.csv", table)
    with pytest.raises(DataError, match=message):
        baum1s.read(tree(tmp_path, clips(rows())), ReadOptions())


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    tree(tmp_path, clips(rows()))
    with pytest.raises(
        DataError, match=r"no annotation sheet of BAUM-1s; give the folder with Annotations_BAUM1s.xlsx"
    ):
        baum1s.read(tmp_path, ReadOptions())
    damaged = tmp_path / "Annotations_BAUM1s.xlsx"
    damaged.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match=r"can't read .*Annotations_BAUM1s.xlsx: .*; save it as .xlsx again"):
        baum1s.read(tmp_path, ReadOptions())
    sheet(damaged, [HEADER, *rows()])
    sheet(tmp_path / "ages.xlsx", [("subject", "age"), (1, 30)])
    check(tmp_path)
    sheet(tmp_path / "New annotations.xlsx", [HEADER, *rows()])
    with pytest.raises(DataError, match=r"has the sheets Annotations_BAUM1s.xlsx and New annotations.xlsx; leave only"):
        baum1s.read(tmp_path, ReadOptions())
    (tmp_path / "New annotations.xlsx").unlink()
    save_csv(tmp_path / "Annotations_BAUM1s.csv", [("worth", "nothing")])  # a copy of the same name isn't looked at
    check(tmp_path)
    tree(tmp_path, ["copy/S001_001.mp4"])
    with pytest.raises(
        DataError, match=r"S001/S001_001.mp4 and copy/S001_001.mp4 .* one name|copy/S001_001.mp4 .*one name"
    ):
        baum1s.read(tmp_path, ReadOptions())


def test_a_sheet_of_clips_that_are_all_missing(tmp_path: Path) -> None:
    sheet(tmp_path / "Annotations_BAUM1s.xlsx", [HEADER, *rows()])
    tree(tmp_path, ["s077/S077_001.mp4"])
    with pytest.raises(
        DataError, match=r"none of the 39 clips that Annotations_BAUM1s.xlsx names, such as S001_001.mp4, but 1"
    ):
        baum1s.read(tmp_path, ReadOptions())


def test_planned_actors_are_read_whole(tmp_path: Path) -> None:
    plan = LAYOUTS["baum1s"](31, 2)
    tree(tmp_path, [turn.name for turn in plan.turns])
    for name, text in plan.tables.items():
        (tmp_path / name).write_bytes(text.encode())
    data = baum1s.read(tmp_path, ReadOptions())
    assert len(data.subjects) == 31
    assert per_label(data) == dict.fromkeys(PAPER_LABELS, 62)
    assert data.left_out == {"other emotions": 31}
    played = {turn.name: turn.emotion for turn in plan.turns}
    assert all(played[each.name] == each.label for each in data.recordings)
