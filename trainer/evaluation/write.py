"""The report of an evaluation on disk: Markdown, CSV, JSON and pictures, all of it at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from emostream.trainer.evaluation.evaluate import EVALUATED_HEADS, Evaluation
from emostream.trainer.evaluation.facts import EvaluationFacts
from emostream.trainer.evaluation.plots import draw_evaluation
from emostream.trainer.evaluation.text import evaluation_text
from emostream.trainer.heads.choice import LENGTHS
from emostream.trainer.reports.folder import check_folder, replacing, write_csv

__all__ = ["check_evaluation_place", "write_evaluation"]

_REPORT, _PICTURES, _RUN, _FIGURES, _SCORES = "report.md", "pictures", "run.json", "figures.csv", "scores.csv"
_OWN = {_REPORT, _PICTURES, _RUN, _FIGURES, _SCORES}
_COLUMNS = (
    *("head", "segments", "recordings", "undecided", "accuracy", "accuracy_low", "accuracy_high"),
    "accuracy_decided",
    *("macro_recall", "macro_recall_low", "macro_recall_high", "calibration_error", "log_loss"),
    *("chance", "most_frequent"),
)


def check_evaluation_place(out: Path) -> None:
    """Whether a report may be written to a folder; asked before a long run, too.

    Raises:
        ConfigError: it holds something else than such a report, which would be lost, or it is no folder.
    """
    check_folder(out, _OWN)


def write_evaluation(out: Path, evaluation: Evaluation, facts: EvaluationFacts) -> Path:
    """Write the report of an evaluation.

    `report.md` is for reading; `figures.csv` has a row for each head and length, shares in %; `scores.csv` a row for
    each recording, head and length, with the probability `p_LABEL` of each label; `run.json` what was evaluated and
    what became of each recording; `pictures/*.png` confusion matrices, rows true, and a reliability diagram.

    Args:
        out: folder of the report; an older report in it is replaced when the new one is whole.
        evaluation: the scores.
        facts: how it was run.

    Returns:
        The Markdown file.

    Raises:
        ConfigError: `out` holds something else than such a report.
        PublishError: the report can't be written.
    """
    with replacing(out, _OWN) as folder:
        (folder / _PICTURES).mkdir()
        links = [f"{_PICTURES}/{file.name}" for file in draw_evaluation(folder / _PICTURES, evaluation)]
        (folder / _REPORT).write_text(evaluation_text(evaluation, facts, links), encoding="utf-8")
        (folder / _RUN).write_text(_json(evaluation, facts), encoding="utf-8")
        write_csv(folder / _FIGURES, _COLUMNS, _figure_rows(evaluation))
        columns = ("recording", "subject", "truth", "head", "by", "segments", "label")
        write_csv(folder / _SCORES, (*columns, *(f"p_{label}" for label in evaluation.labels)), _score_rows(evaluation))
    return out / _REPORT


def _figure_rows(evaluation: Evaluation) -> Iterator[list[str]]:
    blind, frequent, _ = evaluation.chance
    for (head, length), own in evaluation.figures.items():
        shares = (
            *(own.accuracy, *own.accuracy_interval, own.accuracy_decided),
            *(own.macro_recall, *own.recall_interval),
            own.calibration_error,
        )
        loss = "" if math.isnan(own.log_loss) else f"{own.log_loss:.6f}"
        counts = (str(own.decided + own.undecided), str(own.undecided))
        yield [head, length, *counts, *map(_share, shares), loss, _share(blind), _share(frequent)]


def _score_rows(evaluation: Evaluation) -> Iterator[list[str]]:
    for recording, scores in zip(evaluation.corpus.recordings, evaluation.scores, strict=True):
        first = [recording.name, recording.subject, recording.label]
        for head in EVALUATED_HEADS:
            for length in LENGTHS:
                if found := scores.of(head, length):
                    values = [f"{found.by_label[label]:.6f}" for label in evaluation.labels]
                    yield [*first, head, found.head, length, found.label, *values]
                else:
                    yield [*first, head, "", length, "", *("" for _ in evaluation.labels)]


def _json(evaluation: Evaluation, facts: EvaluationFacts) -> str:
    manifest = evaluation.bundle.manifest
    bundle = {
        "name": manifest.name,
        "preset": manifest.preset,
        "trained": manifest.trained,
        "labels": manifest.labels,
        "training": manifest.training,
        "figures": manifest.figures,
        "sha256": evaluation.bundle.sha256,
    }
    corpus = {"dataset": evaluation.corpus.dataset, "classes": evaluation.corpus.classes}
    whole = {"bundle": bundle, "engine": evaluation.engine, **corpus, **asdict(facts)}
    return json.dumps(whole, indent=2, allow_nan=False) + "\n"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.4f}"
