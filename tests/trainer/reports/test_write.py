from __future__ import annotations

import csv
import json
import re

import cv2
import numpy as np
import pytest
from markdown_it import MarkdownIt

from emostream.engines.errors import ConfigError, PublishError
from emostream.trainer.reports import write as writing
from emostream.trainer.reports.write import check_place, write_report
from tests.trainer.reports.samples import facts, outcomes, run
from tests.trainer.reports.test_tables import keys

FILES = ["decisions.csv", "figures", "report.md", "run.json", "tables.csv"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("reports") / "rml", facts(), run())


def tables_in(text):
    """Tables as a Markdown parser sees them: the number of cells in each row."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append(0)
        elif token.type in ("th_open", "td_open"):
            found[-1][-1] += 1
    return found


def test_the_folder_is_whole(report):
    assert report.name == "report.md"
    assert sorted(each.name for each in report.parent.iterdir()) == FILES
    assert [each.name for each in report.parent.parent.iterdir()] == ["rml"]
    assert json.loads((report.parent / "run.json").read_text())["seconds"] == 7384.0


def test_markdown_is_well_formed(report):
    text = report.read_text()
    found = tables_in(text)
    assert len(found) == 11 + 3  # and subjects, settings, folds
    assert all(len(set(rows)) == 1 for rows in found)
    assert [len(rows) - 1 for rows in found] == [4, 5, 3, 2, 6, 5, 6, 6, 4, 2, 3, 1, 9, 6]
    assert len(re.findall(r"^\| --", text, re.MULTILINE)) == len(found)  # no table is taken for a paragraph
    for key in keys("rml")[:-2]:
        assert f"### Table {key}. " in text
    for rows in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(row) for row in rows.splitlines()}) == 1  # aligned


def test_what_was_shortened_comes_first(report):
    text = report.read_text()
    first = text.partition("## What this shows")[0]
    assert "- The audio network trained for 2 epochs; recipe paper has 300." in first
    assert "Other data than the paper's" in first
    assert "emostream-train reproduce --dataset rml RML" in first


def test_what_went_wrong_is_named(report):
    text = report.read_text()
    assert "72 of 74 recordings of 6 subjects were used; 900 segments, 50.0 % voiced, 87.5 % with a face." in text
    assert "- `s2/bad|clip.mp4`: no video stream\n" in text
    assert "can't be decoded (left out), 1:" in text
    assert "no face (used), 1:" in text
    assert f"alexnet.pth, sha256 {64 * 'a'}" in text
    assert re.search(r"subject-s6 +\| s6 +\| 0.01: 50.0, 0.05: 62.5 +\| +0.05 \| +1 min 1 s", text)


def test_pictures_are_readable(report):
    linked = re.findall(r"!\[[^]]+\]\((figures/[^)]+)\)", report.read_text())
    names = ["methods", "figure-6", *(f"confusion-{key}" for key in ("audio", "video", "dbn-2", "product"))]
    assert linked == [f"figures/{name}.png" for name in names]
    assert sorted(f"figures/{each.name}" for each in (report.parent / "figures").iterdir()) == sorted(linked)
    sizes = {}
    for name in linked:
        picture = cv2.imread(str(report.parent / name))
        height, width, _ = picture.shape
        assert 300 < height < 1200
        assert 500 < width < 1800
        assert picture.std() > 20  # no blank page
        sizes[name] = width
    assert sizes["figures/figure-6.png"] == 2 * sizes["figures/confusion-audio.png"]


def test_tables_as_csv(report):
    with (report.parent / "tables.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(dict.fromkeys(row["table"] for row in rows)) == keys("rml")
    made = run()
    (ours,) = (row for row in rows if (row["table"], row["method"]) == ("III", "video"))
    assert float(ours["accuracy"]) == pytest.approx(100 * np.mean(made.predicted["video"] == made.truth), abs=1e-4)
    assert (ours["undecided"], ours["recordings"], ours["paper"]) == ("4", "72", "68.09")
    assert float(ours["difference"]) == pytest.approx(float(ours["folds"]) - 68.09, abs=1e-3)
    assert float(ours["accuracy_low"]) < float(ours["accuracy"]) < float(ours["accuracy_high"])
    assert ours["paper_within"] in ("yes", "no")
    assert ours["precision"] == ""
    (earlier,) = (row for row in rows if row["row"].startswith("Gao"))
    assert {name for name, value in earlier.items() if value} == {"table", "row", "paper"}
    (joy,) = (row for row in rows if (row["table"], row["row"]) == ("VII", "joy"))
    assert (joy["recordings"], joy["paper_recall"], joy["paper_printed_recall"]) == ("12", "59.1667", "68.9300")
    assert joy["recall"]


def test_decisions_as_csv(report):
    with (report.parent / "decisions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    made = run()
    assert [row["recording"] for row in rows] == list(made.recordings)
    assert [row["fold"] for row in rows] == made.folds.tolist()
    assert [row["truth"] for row in rows] == [made.classes[number] for number in made.truth]
    assert [row["dbn-2"] for row in rows] == [made.classes[number] for number in made.predicted["dbn-2"]]
    assert [row["video"] for row in rows[:5]] == ["", "", "", "", made.classes[made.predicted["video"][4]]]
    assert list(rows[0])[4:] == list(made.predicted)


def test_a_data_set_outside_of_the_paper(tmp_path):
    text = write_report(tmp_path / "out", facts("ravdess"), run()).read_text()
    tables, rest = text.partition("## Tables")[2].split("## Figures")
    assert "paper" not in re.sub(r"the paper's (number|table)", "", tables)
    assert "figure-" not in rest
    found = tables_in(tables)
    assert [len(rows) - 1 for rows in found] == [4, 1, 1, 2, 6, 5, 6, 6, 1, 2, 3]
    assert {rows[0] for rows in found} == {7, 5}
    assert "no figures of data set ravdess" in text
    assert not list((tmp_path / "out" / "figures").glob("figure-*"))


def test_equal_runs_give_equal_files(report, tmp_path):
    again = write_report(tmp_path / "again", facts(), outcomes(undecided=4))
    files = [each for each in again.parent.rglob("*") if each.is_file()]
    assert len(files) == 10
    for file in files:
        assert file.read_bytes() == (report.parent / file.relative_to(again.parent)).read_bytes(), file.name


def test_an_older_report_is_replaced_whole(tmp_path):
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    (out / "report.md").write_text("older")
    (out / "figures" / "confusion-score.png").write_text("older")
    assert write_report(out, facts(), run()) == out / "report.md"
    assert not (out / "figures" / "confusion-score.png").exists()
    assert sorted(each.name for each in out.iterdir()) == FILES
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("failing", ["draw", "rename"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_older_report_survives_a_failure(tmp_path, monkeypatch, failing, error):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").write_text("older")
    if failing == "draw":
        monkeypatch.setattr(writing, "draw", fail(error))
    else:
        rename = type(out).rename
        monkeypatch.setattr(
            type(out), "rename", lambda path, to: fail(error)() if path.name == "fresh" else rename(path, to)
        )
    with pytest.raises(PublishError if isinstance(error, OSError) else KeyboardInterrupt) as refused:
        write_report(out, facts(), run())
    if isinstance(error, OSError):
        assert "No space left on device" in str(refused.value)
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
    assert [each.name for each in out.iterdir()] == ["report.md"]
    assert (out / "report.md").read_text() == "older"


def fail(error):
    def failing(*_):
        raise error

    return failing


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(ConfigError, match=r"holds thesis\.tex, which is no part of this report"):
        check_place(tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        write_report(tmp_path / "thesis.tex", facts(), run())
    assert (tmp_path / "thesis.tex").read_text() == "dear"
    check_place(tmp_path / "new")
    assert not (tmp_path / "new").exists()
