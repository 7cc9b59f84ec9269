"""The text of a report, in Markdown: data, settings, tables."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence

from emostream.trainer.reports.facts import FoldFacts, RunFacts, Training
from emostream.trainer.reports.findings import findings, not_comparable, other_data
from emostream.trainer.reports.outcomes import Outcomes
from emostream.trainer.reports.paper import paper_data_set
from emostream.trainer.reports.preparation import Preparation
from emostream.trainer.reports.tables import OWN_EMOTION_TABLE, EmotionTable, MethodTable, PerEmotion, Table
from emostream.trainer.reports.text import interval, markdown_table, percent, points, span

__all__ = ["data_text", "data_title", "level_note", "report_text", "run_text", "table_heading"]

_PAPER = (
    "The paper is Zhang, Zhang, Huang, Gao and Tian, *Learning Affective Features With a Hybrid Deep Model for "
    "Audio-Visual Emotion Recognition*, IEEE TCSVT 28(10), 2018."
)

_MOST_NAMED = 50  # problems of one kind that are listed; `run.json` has all


def report_text(facts: RunFacts, outcomes: Outcomes, tables: Sequence[Table], pictures: Sequence[str]) -> str:
    """The whole report.

    Args:
        facts: of the run.
        outcomes: of its folds.
        tables: of these.
        pictures: the PNG files as the report links them.
    """
    return "\n".join(
        [
            f"# {data_title(facts)}: the paper's comparisons\n",
            f"By emostream {facts.version}, {facts.date}: `{facts.command}`\n",
            _wrapped(_PAPER),
            *([_wrapped(f"**{warning}**")] if (warning := other_data(facts)) else []),
            *(["**Shortened**, so that less can be expected:\n", _list(facts.shortened)] if facts.shortened else []),
            "## What this shows\n",
            _list(findings(outcomes, tuple(tables))),
            "## What can't be compared with the paper\n",
            _list(not_comparable(facts)),
            "## Tables\n",
            _legend(facts),
            *(_table(table) for table in tables),
            "## Figures\n",
            *(f"![{name.rpartition('/')[2].removesuffix('.png')}]({name})\n" for name in pictures),
            "## Data\n",
            data_text(facts.preparation),
            "## Run\n",
            run_text(facts),
        ]
    )


def data_title(facts: RunFacts) -> str:
    """Name of the data set as titles have it."""
    paper = paper_data_set(facts.dataset, facts.labels)
    return paper.title if paper else facts.dataset


def table_heading(table: Table) -> str:
    """Number and title of a table."""
    if table.key == OWN_EMOTION_TABLE or table.key.islower():
        return table.title
    return f"Table {table.key}. {table.title}"


def level_note(table: MethodTable) -> str:
    """Which rows of a table may be as good as its best; empty where there is nothing to compare."""
    if table.best is None:
        return ""
    if not table.level:
        return f"All others are clearly below the best, {table.best}."
    return f"Within the interval of the difference from the best, {table.best}: {', '.join(table.level)}."


def _list(sentences: Iterable[str]) -> str:
    return "".join(_wrapped(sentence, "- ") for sentence in sentences)


def _wrapped(text: str, bullet: str = "") -> str:
    """A paragraph or an item of a list, with its line end."""
    indent = " " * len(bullet)
    lines = textwrap.wrap(
        text, 110, initial_indent=bullet, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"


def _legend(facts: RunFacts) -> str:
    paper = paper_data_set(facts.dataset, facts.labels)
    text = (
        "All in %. *Accuracy* is of all recordings together, with its 95 % interval from a bootstrap over subjects; "
        "*folds* is the mean of the folds' accuracies; *recall* the mean recall of the classes; *none* the number of "
        "recordings without a decision, which count as wrong."
    )
    if paper:
        text += (
            " *Difference* is folds less the paper's figure, in points; ~ where the paper's figure lies in the 95 % "
            "interval of folds."
        )
    return _wrapped(text)


def _table(table: Table) -> str:
    return _emotion_table(table) if isinstance(table, EmotionTable) else _method_table(table)


def _method_table(table: MethodTable) -> str:
    paper = any(row.paper is not None for row in table.rows)
    rows = []
    for row in table.rows:
        if row.scores is None:
            cells = [row.title, "", "", "", "", "", ""]
        else:
            ours = row.scores
            cells = [
                row.title,
                f"`{row.key}`",
                percent(ours.accuracy),
                interval(ours.interval),
                percent(ours.fold_mean),
                percent(ours.macro_recall),
                str(ours.undecided),
            ]
        theirs = "" if row.paper is None else f"{row.paper:.2f}"
        change = "" if row.difference is None else points(row.difference) + (" ~" if row.paper_within else "  ")
        rows.append([*cells, theirs, change] if paper else cells)
    head = ["", "method", "accuracy", "interval", "folds", "recall", "none", *(["paper", "difference"] * paper)]
    note = level_note(table)
    text = f"### {table_heading(table)}\n\n{markdown_table(head, rows, left=2)}"
    return f"{text}\n{_wrapped(note)}" if note else text


def _emotion_table(table: EmotionTable) -> str:
    head = ["", "recordings", "precision", "recall", "F"]
    paper = table.key != OWN_EMOTION_TABLE
    if paper:
        head += [f"paper: {name}" for name in ("precision", "recall", "F", '"precision"', '"recall"', '"F"')]
    rows = []
    for row in table.rows:
        cells = [row.emotion, str(row.recordings), *_three(row.ours)]
        rows.append([*cells, *_three(row.recovered), *_three(row.printed)] if paper else cells)
    note = (
        "The paper's first three are recovered from its confusion matrix; those in quotation marks are as printed, "
        "and mean something else."
    )
    text = f"### {table_heading(table)}\n\n{markdown_table(head, rows)}"
    return f"{text}\n{_wrapped(note)}" if paper else text


def _three(figures: PerEmotion | None) -> list[str]:
    return [percent(value) for value in (figures.precision, figures.recall, figures.f_score)] if figures else []


def data_text(facts: Preparation) -> str:
    """What became of the recordings."""
    parts = [
        f"{facts.used} of {facts.found} recordings of {len(facts.found_by_subject)} subjects were used; "
        f"{facts.segments} segments, {percent(facts.voiced_share, 1)} % voiced, "
        f"{percent(facts.face_share, 1)} % with a face.\n"
    ]
    if facts.left_out:
        listed = ", ".join(f"{reason} {count}" for reason, count in facts.left_out.items())
        parts.append(f"No part of the data set: {listed}.\n")
    if facts.lost_by_subject:
        rows = [
            [subject, str(facts.found_by_subject[subject]), str(count)]
            for subject, count in facts.lost_by_subject.items()
        ]
        parts.append(markdown_table(["subject", "recordings", "lost"], rows))
    kinds: dict[str, list[str]] = defaultdict(list)
    for problem in facts.problems:
        kind = f"{problem.kind} ({'left out' if problem.lost else 'used'})"
        detail = " ".join(problem.detail.split())
        kinds[kind].append(f"- `{problem.recording}`{f': {detail}' if detail else ''}\n")
    for kind, lines in kinds.items():
        more = f"- and {len(lines) - _MOST_NAMED} more, in run.json\n" if len(lines) > _MOST_NAMED else ""
        parts.append(f"{kind}, {len(lines)}:\n\n{''.join(lines[:_MOST_NAMED])}{more}")
    return "\n".join(parts)


def run_text(facts: RunFacts) -> str:
    """Protocol, training, machine, and what each fold chose."""
    training = facts.training
    rows = [
        ["folds", f"{len(facts.folds)} of {facts.folds_of_all}, {facts.protocol}"],
        ["preset, recipe", f"{training.preset}, {training.recipe}"],
        ["epochs", ", ".join(f"{part} {count}" for part, count in training.epochs.items())],
        *([f"initial weights, {part}", _weights(training, part)] for part in training.initial_weights),
        ["segments of the audio network", training.segments],
        ["seed, precision", f"{training.seed}, {training.precision}"],
        ["machine of this report", f"{facts.machine}, {facts.cores} cores"],
        ["time of this command", span(facts.seconds)],
    ]
    folds = [_fold_row(name, fold) for name, fold in facts.folds.items()]
    return (
        f"{markdown_table(['setting', ''], rows, left=2)}\n"
        "Each fold, with the accuracy of each rate of the Boltzmann machines on inner subjects, in %; the best "
        "was taken. Its time counts from its last start.\n\n"
        f"{markdown_table(['fold', 'held out', 'rates', 'taken', 'time'], folds, left=3)}"
    )


def _weights(training: Training, part: str) -> str:
    file = training.initial_weights[part]
    if file is None:
        return "random"
    colours = {True: ", taken to see BGR", False: ", taken to see RGB", None: ""}[training.video_bgr]
    return f"{file.name}, sha256 {file.sha256}{colours if part == 'video' else ''}"


def _fold_row(name: str, fold: FoldFacts) -> list[str]:
    rates = ", ".join(f"{rate}: {percent(accuracy, 1)}" for rate, accuracy in fold.rates.items())
    return [name, ", ".join(fold.held_out), rates, fold.rate, span(fold.seconds)]
