from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from sklearn.calibration import calibration_curve

from emostream.engines.errors import ConfigError, PublishError
from emostream.trainer.datasets.base import DataSet, Recording
from emostream.trainer.evaluation import write as writing
from emostream.trainer.evaluation.evaluate import EVALUATED_HEADS
from emostream.trainer.evaluation.facts import EvaluationFacts
from emostream.trainer.evaluation.findings import evaluation_warnings, trained_on
from emostream.trainer.evaluation.summary import evaluation_summary
from emostream.trainer.evaluation.text import evaluation_text
from emostream.trainer.evaluation.write import check_evaluation_place, write_evaluation
from emostream.trainer.heads.choice import LENGTHS
from emostream.trainer.metrics import expected_calibration_error, reliability
from emostream.trainer.reports.preparation import Preparation
from emostream.trainer.segments.prepare import PreparedRecording, PreparedSet
from emostream.trainer.segments.store import Segments
from tests.trainer.evaluation.test_evaluate import EMOTIONS, made_up, manifest, shared_evaluation, without
from tests.trainer.reports.samples import preparation
from tests.trainer.reports.test_write import tables_in

FILES = ["figures.csv", "pictures", "report.md", "run.json", "scores.csv"]
FACTS = EvaluationFacts(
    preparation=preparation(),
    version="0.1.0",
    command="emostream-train evaluate OURS SAVEE --dataset savee",
    date="2025-01-02 03:04 UTC",
    machine="A processor",
    cores=2,
    seconds=84.0,
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_evaluation(tmp_path_factory.mktemp("reports") / "savee", shared_evaluation(), FACTS)


def rows_of(file):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_folder_is_whole(report):
    assert report.name == "report.md"
    assert sorted(each.name for each in report.parent.iterdir()) == FILES
    assert [each.name for each in report.parent.parent.iterdir()] == ["savee"]


def test_markdown_is_well_formed(report):
    text = report.read_text()
    found = tables_in(text)
    assert all(len(set(rows)) == 1 for rows in found)
    assert [len(rows) - 1 for rows in found] == [12, 3, 9, 1]
    assert len(re.findall(r"^\| --", text, re.MULTILINE)) == len(found)  # no table is taken for a paragraph


def test_markdown_says_what_and_by_which_bundle(report):
    text = report.read_text()
    assert text.startswith("# Bundle ours on data set savee\n")
    assert "emostream-train evaluate OURS SAVEE --dataset savee" in text
    assert "The bundle was trained on data set rml, 90 recordings of 5 subjects." in text
    assert "**" not in text  # nothing to be warned of
    assert f"| sha256 of its manifest | {64 * 'a'} |" in text
    assert re.search(r"\| engine +\| onnxruntime on CPU, fp32 +\|", text)
    assert "72 of 74 recordings of 6 subjects were used" in text
    assert "Run on A processor, 2 cores, in 1 min 24 s." in text


def test_findings(report):
    text = report.read_text()
    evaluation = shared_evaluation()
    live = evaluation.figures["live", "all"]
    (label,) = (label for label in EMOTIONS if (evaluation.truth == EMOTIONS.index(label)).sum() == 24)
    assert f"- Chance: a blind guess among 3 classes is right in 33.3 %, saying always {label} in 40.0 %." in text
    assert f"(live): {100 * live.accuracy:.2f} % of 60 recordings (95 % interval" in text
    assert "It would speak by the heads fused 40, audio 10, video 9." in text
    difference = re.search(
        r"Fused less (audio|video), .* on the 40 recordings with both: \+(\d+\.\d\d) points, .* a clear", text
    )
    both = evaluation.predicted("fused", "all") >= 0
    right = {
        head: (evaluation.predicted(head, "all") == evaluation.truth)[both].mean()
        for head in ("audio", "video", "fused")
    }
    better = max(right["audio"], right["video"])
    assert right[difference[1]] == better
    assert float(difference[2]) == pytest.approx(100 * (right["fused"] - better), abs=0.006)
    assert "count as wrong: live 1, fused 20, audio 10, video 11 of 60." in text
    (blind,) = re.findall(r"Not clearly above chance after all segments: (.*)\.", text)
    assert blind.split(", ") == [
        head for head in EVALUATED_HEADS if evaluation.figures[head, "all"].accuracy_interval[0] <= 0.4
    ]
    assert "5 subjects with replacement. With so few subjects they are rough" in text
    assert "There are no recordings of" not in text


def test_other_labels_and_the_same_data():
    """A bundle with more labels than the data set has, that was trained on it."""
    evaluation = made_up(subjects=2, dataset="rml", labels=("fear", *EMOTIONS, "disgust"))
    text = evaluation_text(evaluation, FACTS, ())
    assert "There are no recordings of fear, disgust, which the bundle knows too" in text
    assert re.search(r"\| fear +\| +0 \| ", text)
    assert "a blind guess among 5 classes is right in 20.0 %" in text
    assert "**The bundle was trained on a data set of the same name, rml" in text.partition("## What this shows")[0]
    assert "of the same name, rml" in " ".join(printed(evaluation).split())


@pytest.mark.parametrize(
    ("changes", "dataset", "warning"),
    [
        ({}, "savee", ""),
        ({}, "rml", r"trained on a data set of the same name, rml: .* not about unseen people\.$"),
        ({"figures": {"measured_on": "5 groups"}}, "rml", r"see the bundle's own figures, of 5 groups\.$"),
        ({"training": {"content": "same"}}, "savee", "on these very recordings: nothing here is about unseen people"),
        ({"training": {"method": "by hand"}}, "savee", "names no training data, so it may know these people"),
        ({"trained": False}, "rml", "is untrained: its weights are random, and these figures mean nothing"),
    ],
)
def test_what_figures_must_not_be_taken_for(changes, dataset, warning):
    evaluation = made_up(subjects=1, dataset=dataset)
    if changes.get("training", {}).get("content"):
        same = evaluation.corpus.identity(np.ones(len(evaluation.corpus.recordings), bool))
        changes = {"training": {"dataset": "csv", "content": same}}
    changed = replace(evaluation.bundle, manifest=manifest(**changes))
    found = evaluation_warnings(replace(evaluation, bundle=changed))
    assert len(found) == bool(warning)
    assert not warning or re.search(warning, found[0])


def test_what_a_bundle_was_trained_on():
    assert trained_on(manifest()) == "The bundle was trained on data set rml, 90 recordings of 5 subjects."
    assert trained_on(manifest(training={"dataset": "csv"})) == "The bundle was trained on data set csv."
    assert "names no data set" in trained_on(manifest(training={}))
    assert "untrained" in trained_on(manifest(trained=False))


def test_figures_as_csv(report):
    rows = rows_of(report.parent / "figures.csv")
    assert [(row["head"], row["segments"]) for row in rows] == [(h, n) for h in EVALUATED_HEADS for n in LENGTHS]
    for row in rows:
        own = shared_evaluation().figures[row["head"], row["segments"]]
        assert float(row["accuracy"]) == pytest.approx(100 * own.accuracy, abs=1e-4)
        assert float(row["accuracy_decided"]) == pytest.approx(100 * own.accuracy * 60 / own.decided, abs=1e-3)
        assert float(row["accuracy_high"]) == pytest.approx(100 * own.accuracy_interval[1], abs=1e-4)
        assert float(row["macro_recall"]) == pytest.approx(100 * own.macro_recall, abs=1e-4)
        assert float(row["macro_recall_low"]) == pytest.approx(100 * own.recall_interval[0], abs=1e-4)
        assert float(row["calibration_error"]) == pytest.approx(100 * own.calibration_error, abs=1e-4)
        assert float(row["log_loss"]) == pytest.approx(own.log_loss, abs=1e-5)
        assert (row["recordings"], row["undecided"]) == ("60", str(own.undecided))
        assert (row["chance"], row["most_frequent"]) == ("33.3333", "40.0000")


def test_scores_as_csv(report):
    evaluation = shared_evaluation()
    rows = rows_of(report.parent / "scores.csv")
    assert len(rows) == 60 * 4 * 3
    for head in EVALUATED_HEADS:
        for length in LENGTHS:
            own = [row for row in rows if (row["head"], row["segments"]) == (head, length)]
            assert [row["recording"] for row in own] == [each.name for each in evaluation.corpus.recordings]
            assert [row["truth"] for row in own] == [each.label for each in evaluation.corpus.recordings]
            found = [[float(row[f"p_{label}"] or "nan") for label in EMOTIONS] for row in own]
            np.testing.assert_allclose(found, evaluation.probabilities(head, length), atol=1e-6)
            for row, odds in zip(own, found, strict=True):
                assert row["label"] == ("" if math.isnan(odds[0]) else EMOTIONS[np.argmax(odds)])
    assert {row["by"] for row in rows if row["head"] == "live"} == {"fused", "audio", "video", ""}
    assert {row["by"] for row in rows if row["head"] == "audio"} == {"audio", ""}
    assert rows[-1]["subject"] == "s5"


def test_the_run_as_json(report):
    found = json.loads((report.parent / "run.json").read_text())
    assert found["bundle"]["training"]["recipe"] == {"audio": 3}
    assert found["bundle"]["sha256"] == 64 * "a"
    assert (found["dataset"], found["classes"]) == ("savee", list(EMOTIONS))
    assert found["preparation"]["problems"][0]["recording"] == "s2/bad|clip.mp4"
    assert (found["engine"], found["seconds"]) == ("onnxruntime on CPU, fp32", 84.0)


def test_pictures_are_readable(report):
    linked = re.findall(r"!\[[^]]+\]\((pictures/[^)]+)\)", report.read_text())
    assert linked == [f"pictures/{name}.png" for name in (*(f"confusion-{h}" for h in EVALUATED_HEADS), "reliability")]
    assert sorted(f"pictures/{each.name}" for each in (report.parent / "pictures").iterdir()) == sorted(linked)
    for name in linked:
        picture = cv2.imread(str(report.parent / name))
        height, width, _ = picture.shape
        assert 250 < height < 1200
        assert 400 < width < 1800
        assert picture.std() > 15  # no blank page


def test_heads_without_a_decision_have_no_picture(tmp_path):
    whole = made_up(subjects=2)
    deaf = replace(whole, scores=tuple(replace(each, pooled=without(each.pooled)) for each in whole.scores))
    seen = replace(deaf, scores=tuple(replace(each, chosen="video") for each in deaf.scores))
    text = write_evaluation(tmp_path / "out", seen, FACTS).read_text()
    assert sorted(each.name for each in (tmp_path / "out" / "pictures").iterdir()) == [
        "confusion-live.png",
        "confusion-video.png",
        "reliability.png",
    ]
    assert "Fused less" not in text
    assert re.search(r"\| fused \| +all \| +- \| +- \| +- \| +- \| +- \| +- \| +24 \| +- \|", text)
    silent = replace(deaf, scores=tuple(replace(each, chosen=None, pooled={}) for each in deaf.scores))
    text = write_evaluation(tmp_path / "out", silent, FACTS).read_text()
    assert "None of 24 recordings has a voice or a face" in text
    assert not list((tmp_path / "out" / "pictures").iterdir())
    assert rows_of(tmp_path / "out" / "figures.csv")[0]["accuracy"] == ""


def test_reliability_is_scikit_learns_and_adds_up_to_the_error():
    evaluation = shared_evaluation()
    probabilities = evaluation.probabilities("video", "3")
    decided = np.isfinite(probabilities[:, 0])
    odds, truth = probabilities[decided], evaluation.truth[decided]
    found = reliability(odds, truth)
    right, confidence = calibration_curve(odds.argmax(axis=1) == truth, odds.max(axis=1), n_bins=15)
    np.testing.assert_allclose(found.right, right)
    np.testing.assert_allclose(found.confidence, confidence)
    gaps = found.counts * abs(found.confidence - found.right)
    assert gaps.sum() / decided.sum() == pytest.approx(expected_calibration_error(odds, truth))


def test_equal_evaluations_give_equal_files(report, tmp_path):
    again = write_evaluation(tmp_path / "again", made_up(), FACTS)
    files = [each for each in again.parent.rglob("*") if each.is_file()]
    assert len(files) == 9
    for file in files:
        assert file.read_bytes() == (report.parent / file.relative_to(again.parent)).read_bytes(), file.name


@pytest.fixture
def older(tmp_path):
    out = tmp_path / "out"
    (out / "pictures").mkdir(parents=True)
    (out / "report.md").write_text("older")
    (out / "pictures" / "confusion-score.png").write_text("older")
    return out


def test_an_older_report_is_replaced_whole(older):
    assert write_evaluation(older, shared_evaluation(), FACTS) == older / "report.md"
    assert not (older / "pictures" / "confusion-score.png").exists()
    assert sorted(each.name for each in older.iterdir()) == FILES
    assert [each.name for each in older.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("failing", ["_json", "rename"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_older_report_survives_a_failure(older, monkeypatch, failing, error):
    def fail(*_):
        raise error

    if failing == "rename":
        rename = Path.rename
        monkeypatch.setattr(Path, "rename", lambda path, to: fail() if path.name == "fresh" else rename(path, to))
    else:
        monkeypatch.setattr(writing, failing, fail)
    with pytest.raises(PublishError if isinstance(error, OSError) else KeyboardInterrupt) as refused:
        write_evaluation(older, shared_evaluation(), FACTS)
    if isinstance(error, OSError):
        assert str(refused.value).startswith(f"the report can't be written to {older}: No space left on device; ")
    assert [each.name for each in older.parent.iterdir()] == ["out"]
    assert sorted(each.name for each in older.iterdir()) == ["pictures", "report.md"]
    assert (older / "report.md").read_text() == "older"


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(ConfigError, match=r"holds thesis\.tex, which is no part of this report"):
        write_evaluation(tmp_path, shared_evaluation(), FACTS)
    with pytest.raises(ConfigError, match="is no folder"):
        check_evaluation_place(tmp_path / "thesis.tex")
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]
    check_evaluation_place(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def printed(evaluation):
    stream = io.StringIO()
    Console(file=stream, width=80).print(evaluation_summary(evaluation))
    return stream.getvalue()


def test_the_table_for_the_terminal():
    evaluation = shared_evaluation()
    text = printed(evaluation)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    rows = [line.split() for line in text.splitlines() if line.split()[1:2] and line.split()[1] in LENGTHS]
    assert [tuple(row[:2]) for row in rows] == [(head, length) for head in EVALUATED_HEADS for length in LENGTHS]
    own = evaluation.figures["fused", "3"]
    low, high = (f"{100 * end:.1f}" for end in own.accuracy_interval)
    assert rows[4] == [
        *("fused", "3", f"{100 * own.accuracy:.2f}", low, "to", high, f"{100 * own.macro_recall:.2f}"),
        *(f"{100 * own.calibration_error:.1f}", f"{own.log_loss:.3f}", "20"),
    ]
    assert "It would speak by the heads fused 40, audio 10, video 9." in " ".join(text.split())


def test_one_subject_says_nothing_of_others(tmp_path):
    text = write_evaluation(tmp_path / "out", made_up(subjects=1), FACTS).read_text()
    assert "All recordings are of one subject, so there are no intervals" in text
    assert "nan" not in text
    assert rows_of(tmp_path / "out" / "figures.csv")[0]["accuracy_low"] == ""


def test_facts_of_a_run():
    frames = np.zeros((3, 16), np.int32)
    segments = Segments("k", Path("k"), 1.3, True, np.zeros(0, np.float32), *np.ones((2, 3), bool), frames)
    recording = Recording("a.mp4", "s1", "joy", Path("a.mp4"))
    dataset = DataSet("savee", EMOTIONS, (recording,), "subjects", {})
    prepared = PreparedSet(dataset, (PreparedRecording(recording, segments),), ())
    facts = EvaluationFacts.of(prepared, command="emostream-train evaluate", seconds=1.26)
    assert facts.preparation == Preparation.of(prepared)
    assert (facts.command, facts.seconds) == ("emostream-train evaluate", 1.3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", facts.date)
    assert facts.machine
    assert facts.cores >= 1
