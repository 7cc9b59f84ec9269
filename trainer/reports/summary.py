"""All tables in short form for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from emostream.trainer.reports.facts import RunFacts
from emostream.trainer.reports.findings import findings, other_data
from emostream.trainer.reports.outcomes import Outcomes
from emostream.trainer.reports.report_text import data_title, level_note, table_heading
from emostream.trainer.reports.tables import EmotionTable, MethodTable, tables_of
from emostream.trainer.reports.text import interval, percent, points

__all__ = ["summary"]


def summary(facts: RunFacts, outcomes: Outcomes) -> Group:
    """Every table, what was shortened and what the run shows, for a rich console of 80 columns or more."""
    tables = tables_of(facts.dataset, outcomes)
    parts: list[RenderableType] = []
    for table in tables:
        if isinstance(table, EmotionTable):
            parts.append(_emotions(table))
        else:
            parts.append(_methods(table))
            parts += [Text(f" {note}\n", style="dim")] if (note := level_note(table)) else []
    parts.append(Text(f"\n{data_title(facts)}", style="bold"))
    parts += [Text(warning, style="yellow")] if (warning := other_data(facts)) else []
    parts += [Text(f"Shortened: {sentence}", style="yellow") for sentence in facts.shortened]
    parts += [Text(sentence) for sentence in findings(outcomes, tables)]
    return Group(*parts)


def _methods(table: MethodTable) -> Grid:
    paper = any(row.paper is not None for row in table.rows)
    grid = _grid(table_heading(table), "accuracy", "interval", "folds", *(["paper", "diff."] * paper))
    for row in table.rows:
        ours = row.scores
        cells = [percent(ours.accuracy), interval(ours.interval), percent(ours.fold_mean)] if ours else [""] * 3
        theirs = "" if row.paper is None else f"{row.paper:.2f}"
        change = "" if row.difference is None else points(row.difference) + (" ~" if row.paper_within else "  ")
        # Text, for rich would take the brackets of a reference for a style
        grid.add_row(*map(Text, (row.title, *cells, *([theirs, change] if paper else []))))
    return grid


def _emotions(table: EmotionTable) -> Grid:
    paper = any(row.recovered for row in table.rows)
    grid = _grid(table_heading(table), "precision", "recall", "F", *(["paper's recall"] * paper))
    for row in table.rows:
        cells = [percent(value) for value in (row.ours.precision, row.ours.recall, row.ours.f_score)]
        grid.add_row(row.emotion, *cells, *([percent(row.recovered.recall)] if row.recovered else []))
    return grid


def _grid(title: str, *columns: str) -> Grid:
    grid = Grid(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("")
    for column in columns:
        grid.add_column(column, justify="right", no_wrap=True)
    return grid
