"""The rows of the paper's tables I to XI, and of two of our own, from the outcomes of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emostream.trainer.metrics import class_scores
from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.outcomes import Outcomes
from emostream.trainer.reports.paper import PaperDataSet, paper_data_set
from emostream.trainer.reports.scores import Scores, difference

__all__ = [
    "OWN_EMOTION_TABLE",
    "EmotionRow",
    "EmotionTable",
    "MethodRow",
    "MethodTable",
    "PerEmotion",
    "Table",
    "tables_of",
]

OWN_EMOTION_TABLE = "emotions"  # of data sets that the paper has no table for

_BEFORE_EMOTIONS = {
    "I": "One modality: original and fine-tuned networks",
    "II": "Audio, beside earlier work",
    "III": "Visual, beside earlier work",
    "IV": "Length of the audio windows",
    "V": "Decision-level fusion by six rules",
    "VI": "Ways of fusion",
}
_AFTER_EMOTIONS = {
    "X": "Depth of the fusion network",
    "XI": "Audio-visual, beside earlier work",
    "pooling": "Pooling of the DBN's features over segments",
    "scaling": "Inputs and pre-training of the DBN",
}


@dataclass(frozen=True, eq=False)
class MethodRow:
    """A method of ours, or a row of earlier work.

    Attributes:
        title: of the row.
        key: of the method; None for earlier work.
        scores: ours; None for earlier work.
        paper: accuracy in the paper, %; None where it gives none for this data set.
    """

    title: str
    key: str | None
    scores: Scores | None
    paper: float | None

    @property
    def difference(self) -> float | None:
        """Our mean over folds less the paper's figure, points."""
        return None if self.scores is None or self.paper is None else 100 * self.scores.fold_mean - self.paper

    @property
    def paper_within(self) -> bool | None:
        """Whether the paper's figure lies in the interval of our mean over folds; None where one is missing."""
        if self.scores is None or self.paper is None or math.isnan(self.scores.fold_interval[0]):
            return None
        low, high = self.scores.fold_interval
        return 100 * low <= self.paper <= 100 * high


@dataclass(frozen=True, eq=False)
class MethodTable:
    """A table of accuracies.

    Attributes:
        key: the paper's number of it, or our word for it.
        title: what it compares.
        rows: earlier work first.
        best: title of our best row by accuracy; None with a single one.
        level: titles of our other rows whose difference from the best may be chance.
    """

    key: str
    title: str
    rows: tuple[MethodRow, ...]
    best: str | None
    level: tuple[str, ...]


@dataclass(frozen=True)
class PerEmotion:
    """Precision, recall and F-score, 0 to 1; NaN where there is none."""

    precision: float
    recall: float
    f_score: float


@dataclass(frozen=True)
class EmotionRow:
    """One emotion.

    Attributes:
        emotion: its label.
        recordings: of it, tested.
        ours: by DBN-2.
        printed: as the paper's table has them, recall being precision.
        recovered: what they are by the paper's confusion matrix.
    """

    emotion: str
    recordings: int
    ours: PerEmotion
    printed: PerEmotion | None
    recovered: PerEmotion | None


@dataclass(frozen=True)
class EmotionTable:
    """Each emotion by DBN-2; `key` is the paper's number of the table, or `OWN_EMOTION_TABLE`."""

    key: str
    title: str
    rows: tuple[EmotionRow, ...]


Table = MethodTable | EmotionTable


def tables_of(dataset: str, outcomes: Outcomes) -> tuple[Table, ...]:
    """All tables, in the order of the paper's, with its figures where it has this data set with these classes."""
    paper = paper_data_set(dataset, outcomes.classes)
    return (
        *(_methods(key, title, outcomes, paper) for key, title in _BEFORE_EMOTIONS.items()),
        _emotions(outcomes, paper),
        *(_methods(key, title, outcomes, paper) for key, title in _AFTER_EMOTIONS.items()),
    )


def _methods(key: str, title: str, outcomes: Outcomes, paper: PaperDataSet | None) -> MethodTable:
    earlier = paper.earlier.get(key, ()) if paper else ()
    methods = [method for method in METHODS if key in method.tables]
    ours = [
        MethodRow(
            title=method.tables[key],
            key=method.key,
            scores=outcomes.scores[method.key],
            paper=method.paper[paper.column] if paper and method.paper else None,
        )
        for method in methods
    ]
    best = max(methods, key=lambda method: outcomes.scores[method.key].accuracy)
    predicted, truth, subjects = outcomes.predicted, outcomes.truth, outcomes.subjects
    level = tuple(
        method.tables[key]
        for method in methods
        if method is not best and not difference(truth, predicted[best.key], predicted[method.key], subjects).clear
    )
    return MethodTable(
        key=key,
        title=title,
        rows=(*(MethodRow(name, None, None, accuracy) for name, accuracy in earlier), *ours),
        best=best.tables[key] if len(methods) > 1 else None,
        level=level,
    )


def _emotions(outcomes: Outcomes, paper: PaperDataSet | None) -> EmotionTable:
    ours = outcomes.scores["dbn-2"]
    found = _per_emotion(ours.matrix)
    recovered = _per_emotion(paper.confusion(outcomes.classes)) if paper else [None] * len(found)
    rows = []
    for place, label in enumerate(outcomes.classes):
        printed = PerEmotion(*(value / 100 for value in paper.printed_of(label))) if paper else None
        rows.append(EmotionRow(label, int(ours.matrix[place].sum()), found[place], printed, recovered[place]))
    key = paper.emotion_table if paper else OWN_EMOTION_TABLE
    return EmotionTable(key, "Each emotion by DBN-2", tuple(rows))


def _per_emotion(matrix: np.ndarray) -> list[PerEmotion]:
    """Figures of each class of a confusion matrix, rows true."""
    scores = class_scores(matrix)
    columns = (scores.precision, scores.recall, scores.f_score)
    return [PerEmotion(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]
