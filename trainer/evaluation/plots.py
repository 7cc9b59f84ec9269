"""Pictures of an evaluation: confusion matrices with true classes as rows, and how honest probabilities are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emostream.trainer.evaluation.evaluate import EVALUATED_HEADS, EvaluatedHead, Evaluation
from emostream.trainer.heads.choice import LENGTHS
from emostream.trainer.metrics import reliability
from emostream.trainer.reports.plots import draw_matrix
from emostream.trainer.reports.text import percent

__all__ = ["draw_evaluation"]

_DPI = 110
_LENGTH_COLOURS = ("#9ecae1", "#4292c6", "#08306b")  # from light to dark as more is heard
_LARGEST = 160.0  # points², of a mark that stands for every recording


def draw_evaluation(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Draw every picture of an evaluation into a folder that is there; heads without any decision have none.

    Returns:
        The PNG files, in the order in which a report shows them.

    Raises:
        OSError: one can't be written.
    """
    heads = [head for head in EVALUATED_HEADS if evaluation.figures[head, "all"].decided]
    files = [_draw_confusion(folder, evaluation, head) for head in heads]
    return [*files, _draw_reliability(folder, evaluation, heads)] if heads else []


def _draw_confusion(folder: Path, evaluation: Evaluation, head: EvaluatedHead) -> Path:
    figures, classes = evaluation.figures[head, "all"], evaluation.labels
    picture = Figure(figsize=(0.72 * len(classes) + 2.0, 0.55 * len(classes) + 1.6), layout="constrained")
    heading = f"{head}: {percent(figures.accuracy)} % of {figures.matrix.sum()}"
    draw_matrix(picture.add_subplot(), figures.matrix, classes, heading)
    return _save(picture, folder / f"confusion-{head}.png")


def _draw_reliability(folder: Path, evaluation: Evaluation, heads: list[EvaluatedHead]) -> Path:
    picture = Figure(figsize=(3.0 * len(heads) + 1.4, 3.8), layout="constrained")
    every = picture.subplots(1, len(heads), squeeze=False, sharey=True)[0]
    for axes, head in zip(every, heads, strict=True):
        _draw_curves(axes, evaluation, head)
    every[0].set_ylabel("right")
    lines, lengths = every[0].get_legend_handles_labels()
    picture.legend(lines, lengths, title="segments", loc="outside right center", fontsize=9, frameon=False)
    picture.supxlabel("probability of the class decided on; marks grow with the number of recordings", fontsize=9)
    return _save(picture, folder / "reliability.png")


def _draw_curves(axes: Axes, evaluation: Evaluation, head: EvaluatedHead) -> None:
    axes.plot([0, 1], [0, 1], ":", color="#888888", linewidth=1)
    for length, colour in zip(LENGTHS, _LENGTH_COLOURS, strict=True):
        probabilities = evaluation.probabilities(head, length)
        decided = np.isfinite(probabilities).all(axis=1)
        points = reliability(probabilities[decided], evaluation.truth[decided])
        axes.plot(points.confidence, points.right, "-", color=colour, linewidth=1.5, alpha=0.6, label=length)
        sizes = _LARGEST * points.counts / points.counts.sum() + 4
        axes.scatter(points.confidence, points.right, sizes, color=colour, zorder=3)
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal")
    error = evaluation.figures[head, "all"].calibration_error
    axes.set_title(f"{head}: error {percent(error, 1)} % after all", fontsize=9)
    axes.grid(alpha=0.3)


def _save(picture: Figure, file: Path) -> Path:
    picture.savefig(file, dpi=_DPI, metadata={"Software": None})  # equal runs, equal files
    return file
