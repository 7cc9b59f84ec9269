"""An evaluation in short form for the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from emostream.trainer.evaluation.evaluate import EVALUATED_HEADS, Evaluation
from emostream.trainer.evaluation.findings import evaluation_findings, evaluation_warnings, trained_on
from emostream.trainer.heads.choice import LENGTHS
from emostream.trainer.reports.text import interval, percent

__all__ = ["evaluation_summary"]

_COLUMNS = ("segments", "accuracy", "interval", "recall", "calib.", "log loss", "none")


def evaluation_summary(evaluation: Evaluation) -> Group:
    """The figures and what they show, for a rich console of 80 columns or more."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("head")
    for column in _COLUMNS:
        grid.add_column(column, justify="right", no_wrap=True)
    for head in EVALUATED_HEADS:
        for length in LENGTHS:
            own = evaluation.figures[head, length]
            grid.add_row(
                head,
                length,
                percent(own.accuracy),
                interval(own.accuracy_interval),
                percent(own.macro_recall),
                percent(own.calibration_error, 1),
                "-" if math.isnan(own.log_loss) else f"{own.log_loss:.3f}",
                str(own.undecided),
                end_section=length == "all",
            )
    # Text, for rich would take brackets in names for styles
    manifest = evaluation.bundle.manifest
    title = f"Bundle {manifest.name} on data set {evaluation.corpus.dataset}"
    return Group(
        Text(title, style="bold"),
        *([Text(trained_on(manifest))] if manifest.trained else []),  # a warning says so otherwise
        *(Text(warning, style="yellow") for warning in evaluation_warnings(evaluation)),
        grid,
        *map(Text, evaluation_findings(evaluation)),
    )
