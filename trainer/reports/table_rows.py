"""Every row of every table as one row of a CSV file; shares in %, empty where there is no value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from emostream.trainer.reports.tables import EmotionRow, MethodRow, PerEmotion, Table

__all__ = ["COLUMNS", "csv_rows"]

_THREE = ("precision", "recall", "f_score")
COLUMNS = (
    *("table", "row", "method", "recordings", "undecided"),
    *("accuracy", "accuracy_low", "accuracy_high", "folds", "folds_low", "folds_high", "macro_recall"),
    *("paper", "difference", "paper_within"),
    *_THREE,
    *(f"paper_{name}" for name in _THREE),  # recovered from its confusion matrix
    *(f"paper_printed_{name}" for name in _THREE),
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
