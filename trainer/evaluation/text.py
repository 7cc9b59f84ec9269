"""The text of an evaluation's report, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from emostream.trainer.evaluation.evaluate import EVALUATED_HEADS, Evaluation
from emostream.trainer.evaluation.facts import EvaluationFacts
from emostream.trainer.evaluation.findings import evaluation_findings, evaluation_warnings, trained_on
from emostream.trainer.heads.choice import LENGTHS
from emostream.trainer.metrics import class_scores
from emostream.trainer.reports.report_text import data_text
from emostream.trainer.reports.text import interval, markdown_table, percent, span

__all__ = ["evaluation_text"]

_LEGEND = """\
*live* is the head that the streamer would choose for the whole recording, taken as one utterance; *segments* is how
many of a head's own pool were heard, or all where there are fewer. *Accuracy* is of all recordings, *recall* the mean
recall of the classes that are there, each in % with its 95 % interval from a bootstrap over subjects. *Calibration* is
the expected calibration error of the first choice in %, *log loss* is in nats (a blind guess among {classes} has
{blind:.2f}), both of the recordings decided on. *None* counts those without a voice or a face that the head needs: no
decision is wrong. *Decided* is the accuracy without these.
"""


def evaluation_text(evaluation: Evaluation, facts: EvaluationFacts, pictures: Sequence[str]) -> str:
    """The whole report.

    Args:
        evaluation: the scores.
        facts: how it was run.
        pictures: the PNG files as the report links them.
    """
    bundle = evaluation.bundle.manifest.name
    classes = len(evaluation.labels)
    return "\n".join(
        [
            f"# Bundle {bundle} on data set {evaluation.corpus.dataset}\n",
            f"By emostream {facts.version}, {facts.date}: `{facts.command}`\n",
            *(f"**{warning}**\n" for warning in evaluation_warnings(evaluation)),
            "## What this shows\n",
            "".join(f"- {sentence}\n" for sentence in evaluation_findings(evaluation)),
            "## Figures\n",
            _figures(evaluation),
            _LEGEND.format(classes=classes, blind=math.log(classes)),
            "## Each emotion, live, after all segments\n",
            _emotions(evaluation),
            "## Pictures\n",
            *(f"![{name.rpartition('/')[2].removesuffix('.png')}]({name})\n" for name in pictures),
            "## Bundle\n",
            f"{trained_on(evaluation.bundle.manifest)}\n",
            _bundle(evaluation),
            "## Data\n",
            data_text(facts.preparation),
            f"Run on {facts.machine}, {facts.cores} cores, in {span(facts.seconds)}.\n",
        ]
    )


def _figures(evaluation: Evaluation) -> str:
    head = [
        "head",
        "segments",
        "accuracy",
        "interval",
        "recall",
        "interval",
        "calibration",
        "log loss",
        "none",
        "decided",
    ]
    rows = []
    for name in EVALUATED_HEADS:
        for length in LENGTHS:
            own = evaluation.figures[name, length]
            rows.append(
                [
                    name,
                    length,
                    percent(own.accuracy),
                    interval(own.accuracy_interval),
                    percent(own.macro_recall),
                    interval(own.recall_interval),
                    percent(own.calibration_error),
                    "-" if math.isnan(own.log_loss) else f"{own.log_loss:.3f}",
                    str(own.undecided),
                    percent(own.accuracy_decided),
                ]
            )
    return markdown_table(head, rows)


def _emotions(evaluation: Evaluation) -> str:
    matrix = evaluation.figures["live", "all"].matrix
    scores = class_scores(matrix)
    columns = (scores.precision, scores.recall, scores.f_score)
    rows = [
        [label, str(matrix[number].sum()), *(percent(float(column[number])) for column in columns)]
        for number, label in enumerate(evaluation.labels)
    ]
    return markdown_table(["", "recordings", "precision", "recall", "F"], rows)


def _bundle(evaluation: Evaluation) -> str:
    manifest = evaluation.bundle.manifest
    rows = [
        ["name, preset", f"{manifest.name}, {manifest.preset}"],
        ["labels", ", ".join(manifest.labels)],
        ["sha256 of its manifest", evaluation.bundle.sha256],
        ["licence", manifest.licence],
        ["engine", evaluation.engine],
        *(
            [f"training: {key}", str(value)]
            for key, value in manifest.training.items()
            if isinstance(value, str | int | float)
        ),
    ]
    return markdown_table(["setting", ""], rows, left=2)
