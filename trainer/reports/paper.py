"""The paper's figures that are not of a method of ours: earlier work, each emotion, and the confusion matrices.

Figures 6 to 8 have predictions as rows, in percent of a row. Their fractions have whole denominators, and the counts
that follow sum along columns to the classes' sizes (120 each in RML, 215 each in eNTERFACE05). So what tables VII to
IX print as recall is precision. What they print as precision is, on RML and eNTERFACE05, the diagonal over the column
sum of the percent matrix, a quantity without a name; on BAUM-1s the figure doesn't explain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostream.trainer.datasets.base import PAPER_LABELS

__all__ = ["PAPER", "PaperDataSet", "paper_data_set"]

Row = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class PaperDataSet:
    """What the paper says of one data set; accuracies and shares in %.

    Attributes:
        title: the data set's name in print.
        column: its place in `Method.paper`.
        recordings: how many the paper used.
        subjects: of how many people.
        earlier: rows of earlier work, title and accuracy, by table.
        emotion_table: number of the table with each emotion's figures.
        printed: precision, recall and F-score of each emotion in that table, in the order of `emotions`.
        figure: number of the confusion matrix.
        emotions: the order of its rows and columns.
        percent: the matrix as printed; rows are predictions.
        predictions: recordings in each row.
    """

    title: str
    column: int
    recordings: int
    subjects: int
    earlier: dict[str, tuple[tuple[str, float], ...]]
    emotion_table: str
    printed: tuple[tuple[float, float, float], ...]
    figure: int
    emotions: tuple[str, ...]
    percent: tuple[Row, Row, Row, Row, Row, Row]
    predictions: tuple[int, int, int, int, int, int]

    def confusion(self, labels: Sequence[str]) -> npt.NDArray[np.int64]:
        """The matrix as counts [6, 6], rows true, classes in the order of `labels`."""
        counts = np.rint(np.array(self.percent) / 100 * np.array(self.predictions)[:, None]).astype(np.int64).T
        order = [self.emotions.index(label) for label in labels]
        return np.asarray(counts[np.ix_(order, order)])

    def printed_of(self, label: str) -> tuple[float, float, float]:
        """Precision, recall and F-score as printed for an emotion."""
        return self.printed[self.emotions.index(label)]


def paper_data_set(name: str, labels: Sequence[str]) -> PaperDataSet | None:
    """What the paper says of a data set; None where it says nothing, or used other classes."""
    return PAPER.get(name) if sorted(labels) == sorted(PAPER_LABELS) else None


PAPER = {
    "rml": PaperDataSet(
        title="RML",
        column=0,
        recordings=720,
        subjects=8,
        earlier={
            "II": (
                ("Gao et al. [36], prosody", 51.04),
                ("Elmadany et al. [38], prosody", 56.25),
                ("Elmadany et al. [37], PNCC", 58.33),
                ("Zhang et al. [62], low-level descriptors", 61.86),
            ),
            "III": (("Elmadany et al. [37], Gabor wavelets", 64.58), ("Zhang et al. [62], LBP", 56.90)),
            "XI": (("Sarvestani et al. [13]", 72.03), ("Elmadany et al. [37]", 75.00), ("Zhang et al. [62]", 74.32)),
        },
        emotion_table="VII",
        printed=(
            (85.33, 88.70, 86.98),
            (89.71, 95.50, 92.51),
            (80.71, 71.33, 75.73),
            (65.53, 68.93, 67.19),
            (91.03, 83.33, 87.01),
            (83.21, 87.07, 85.10),
        ),
        figure=6,
        emotions=PAPER_LABELS,
        percent=(
            (88.70, 2.61, 0.00, 1.74, 0.00, 6.96),
            (0.90, 95.50, 0.00, 0.90, 1.80, 0.90),
            (0.00, 4.20, 71.33, 20.98, 3.50, 0.00),
            (1.94, 0.97, 15.53, 68.93, 2.91, 9.71),
            (3.79, 3.03, 1.52, 8.33, 83.33, 0.00),
            (8.62, 0.00, 0.00, 4.31, 0.00, 87.07),
        ),
        predictions=(115, 111, 143, 103, 132, 116),
    ),
    "enterface05": PaperDataSet(
        title="eNTERFACE05",
        column=1,
        recordings=1290,
        subjects=43,
        earlier={
            "II": (
                ("Zhalehpour et al. [12], MFCC and RASTA-PLP", 72.95),
                ("Schuller et al. [35], prosody and MFCC", 72.40),
                ("Mansoorizadeh et al. [5], prosody", 43.00),
                ("Bejani et al. [14], prosody and MFCC", 54.99),
            ),
            "III": (
                ("Zhalehpour et al. [12], LPQ", 42.16),
                ("Mansoorizadeh et al. [5], facial points", 37.00),
                ("Bejani et al. [14], QIM", 39.27),
            ),
            "XI": (
                ("Sarvestani et al. [13]", 70.11),
                ("Mansoorizadeh et al. [5]", 71.00),
                ("Bejani et al. [14]", 77.78),
                ("Zhalehpour et al. [12]", 77.02),
            ),
        },
        emotion_table="VIII",
        printed=(
            (89.78, 90.61, 90.20),
            (91.36, 89.55, 90.45),
            (75.69, 79.50, 77.55),
            (92.55, 92.13, 92.34),
            (86.73, 83.93, 85.31),
            (79.95, 79.72, 79.84),
        ),
        figure=7,
        emotions=PAPER_LABELS,
        percent=(
            (90.61, 0.94, 4.23, 2.35, 0.47, 1.41),
            (1.36, 89.55, 2.73, 1.82, 3.18, 1.36),
            (3.00, 2.00, 79.50, 0.50, 5.50, 9.50),
            (0.00, 3.24, 0.46, 92.13, 0.46, 3.70),
            (1.34, 0.45, 9.82, 0.45, 83.93, 4.02),
            (4.61, 1.84, 8.29, 2.30, 3.23, 79.72),
        ),
        predictions=(213, 220, 200, 216, 224, 217),
    ),
    "baum1s": PaperDataSet(
        title="BAUM-1s",
        column=2,
        recordings=521,
        subjects=31,
        earlier={
            "II": (("Zhalehpour et al. [12], MFCC and RASTA-PLP", 29.41),),
            "III": (("Zhalehpour et al. [12], LPQ", 45.04),),
            "XI": (("Zhalehpour et al. [12]", 51.29),),
        },
        emotion_table="IX",
        printed=(
            (27.06, 27.78, 27.41),
            (82.03, 65.11, 72.60),
            (52.49, 53.05, 52.77),
            (20.14, 25.00, 22.31),
            (25.65, 26.15, 25.90),
            (41.93, 64.71, 50.89),
        ),
        figure=8,
        emotions=("anger", "joy", "sadness", "fear", "disgust", "surprise"),
        percent=(
            (27.78, 11.11, 36.11, 2.78, 8.33, 13.89),
            (7.23, 65.11, 5.96, 1.70, 16.17, 3.83),
            (10.98, 1.83, 53.05, 14.02, 12.20, 7.93),
            (0.00, 0.00, 25.00, 25.00, 25.00, 25.00),
            (15.38, 20.00, 27.69, 7.69, 26.15, 3.08),
            (5.88, 0.00, 5.88, 17.65, 5.88, 64.71),
        ),
        predictions=(36, 235, 164, 4, 65, 17),
    ),
}
