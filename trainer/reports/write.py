"""A report on disk: Markdown, CSV, JSON and pictures. All of it replaces an older report at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from emostream.trainer.reports.facts import RunFacts
from emostream.trainer.reports.folder import check_folder, replacing, write_csv
from emostream.trainer.reports.outcomes import FIRST_COLUMNS, Outcomes
from emostream.trainer.reports.paper import paper_data_set
from emostream.trainer.reports.plots import draw
from emostream.trainer.reports.report_text import data_title, report_text
from emostream.trainer.reports.tables import EmotionRow, MethodRow, PerEmotion, Table, tables_of

__all__ = ["COLUMNS", "check_place", "csv_rows", "write_report"]

_REPORT, _FIGURES = "report.md", "figures"
_OWN = {_REPORT, _FIGURES, "tables.csv", "decisions.csv", "run.json"}

_THREE = ("precision", "recall", "f_score")
COLUMNS = (
    *("table", "row", "method", "recordings", "undecided"),
    *("accuracy", "accuracy_low", "accuracy_high", "folds", "folds_low", "folds_high", "macro_recall"),
    *("paper", "difference", "paper_within"),
    *_THREE,
    *(f"paper_{name}" for name in _THREE),  # recovered from its confusion matrix
    *(f"paper_printed_{name}" for name in _THREE),
)


def write_report(out: Path, facts: RunFacts, outcomes: Outcomes) -> Path:
    """Write the report of a run: `report.md`, `tables.csv`, `decisions.csv`, `run.json` and `figures/*.png`.

    Args:
        out: folder of the report; an older report in it is replaced when the new one is whole.
        facts: of the run.
        outcomes: of its folds.

    Returns:
        The Markdown file.

    Raises:
        ConfigError: `out` holds something else than a report.
        PublishError: the report can't be written.
    """
    with replacing(out, _OWN) as folder:
        _write(folder, facts, outcomes)
    return out / _REPORT


def check_place(out: Path) -> None:
    """Whether a report may be written to a folder; asked before a long run, too.

    Raises:
        ConfigError: it holds something else than a report, which would be lost, or it is no folder.
    """
    check_folder(out, _OWN)


def _write(folder: Path, facts: RunFacts, outcomes: Outcomes) -> None:
    tables = tables_of(facts.dataset, outcomes)
    paper = paper_data_set(facts.dataset, outcomes.classes)
    (folder / _FIGURES).mkdir()
    pictures = draw(folder / _FIGURES, data_title(facts), outcomes, paper)
    links = [f"{_FIGURES}/{picture.name}" for picture in pictures]
    (folder / _REPORT).write_text(report_text(facts, outcomes, tables, links), encoding="utf-8")
    (folder / "run.json").write_text(facts.to_json(), encoding="utf-8")
    write_csv(folder / "tables.csv", COLUMNS, csv_rows(tables, len(outcomes.truth)))
    names = (*outcomes.classes, "")  # -1 is no decision
    decided = zip(outcomes.truth, *outcomes.predicted.values(), strict=True)
    write_csv(
        folder / "decisions.csv",
        [*FIRST_COLUMNS[:2], "fold", FIRST_COLUMNS[2], *outcomes.predicted],
        (
            [recording, subject, fold, *(names[number] for number in numbers)]
            for recording, subject, fold, numbers in zip(
                outcomes.recordings, outcomes.subjects, outcomes.folds, decided, strict=True
            )
        ),
    )


def csv_rows(tables: Sequence[Table], recordings: int) -> Iterator[list[str]]:
    """The rows, with the columns `COLUMNS`; of so many tested recordings."""
    for table in tables:
        for row in table.rows:
            if isinstance(row, EmotionRow):
                cells = {"row": row.emotion, "method": "dbn-2", "recordings": str(row.recordings), **_emotion(row)}
            else:
                cells = {"row": row.title, **_method(row, recordings)}
            yield [table.key, *(cells.get(column, "") for column in COLUMNS[1:])]


def _method(row: MethodRow, recordings: int) -> dict[str, str]:
    cells = {"paper": "" if row.paper is None else f"{row.paper:.2f}"}
    if row.scores is None:
        return cells
    ours = row.scores
    shares = {
        "accuracy": ours.accuracy,
        "accuracy_low": ours.interval[0],
        "accuracy_high": ours.interval[1],
        "folds": ours.fold_mean,
        "folds_low": ours.fold_interval[0],
        "folds_high": ours.fold_interval[1],
        "macro_recall": ours.macro_recall,
    }
    return {
        **cells,
        "method": row.key or "",
        "recordings": str(recordings),
        "undecided": str(ours.undecided),
        **{name: _share(value) for name, value in shares.items()},
        "difference": "" if row.difference is None else f"{row.difference:.4f}",
        "paper_within": {True: "yes", False: "no", None: ""}[row.paper_within],
    }


def _emotion(row: EmotionRow) -> dict[str, str]:
    return {
        **_three("", row.ours),
        **_three("paper_", row.recovered),
        **_three("paper_printed_", row.printed),
    }


def _three(prefix: str, figures: PerEmotion | None) -> dict[str, str]:
    return {f"{prefix}{name}": _share(getattr(figures, name)) for name in _THREE} if figures else {}


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.4f}"
