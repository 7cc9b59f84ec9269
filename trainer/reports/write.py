"""A report on disk: Markdown, CSV, JSON and pictures. All of it takes an older report's place at once."""

from __future__ import annotations

from pathlib import Path

from emostream.trainer.reports.facts import RunFacts
from emostream.trainer.reports.folder import check_folder, replacing, write_csv
from emostream.trainer.reports.outcomes import FIRST_COLUMNS, Outcomes
from emostream.trainer.reports.paper import paper_data_set
from emostream.trainer.reports.plots import draw
from emostream.trainer.reports.report_text import data_title, report_text
from emostream.trainer.reports.table_rows import COLUMNS, csv_rows
from emostream.trainer.reports.tables import tables_of

__all__ = ["check_place", "write_report"]

_REPORT, _FIGURES = "report.md", "figures"
_OWN = {_REPORT, _FIGURES, "tables.csv", "decisions.csv", "run.json"}


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
