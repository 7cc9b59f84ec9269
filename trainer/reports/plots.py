"""Pictures of a report: confusion matrices with true classes as rows, and every method with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.findings import best_other_fusion, chance
from emostream.trainer.reports.outcomes import Outcomes
from emostream.trainer.reports.paper import PaperDataSet
from emostream.trainer.reports.text import percent

__all__ = ["draw", "draw_matrix"]

# Okabe and Ito's colours, which the colour-blind tell apart.
_AUDIO, _VIDEO, _FUSED, _PAPER = "#009E73", "#E69F00", "#0072B2", "#D55E00"
_DARK = 55.0  # percent from which white is easier to read
_DPI = 110


def draw(folder: Path, title: str, outcomes: Outcomes, paper: PaperDataSet | None) -> list[Path]:
    """Draw every picture of a report into a folder that is there.

    Args:
        folder: where to.
        title: of the data set.
        outcomes: of the run.
        paper: what the paper says of the data set.

    Returns:
        The PNG files, in the order in which a report shows them.

    Raises:
        OSError: one can't be written.
    """
    files = [_draw_methods(folder, title, outcomes, paper)]
    if paper:
        files.append(_draw_beside(folder, outcomes, paper))
    shown = dict.fromkeys(("audio", "video", "dbn-2", best_other_fusion(outcomes)))
    return files + [_draw_confusion(folder, title, outcomes, key) for key in shown]


def _draw_confusion(folder: Path, title: str, outcomes: Outcomes, key: str) -> Path:
    scores = outcomes.scores[key]
    picture = Figure(figsize=_size(outcomes.classes), layout="constrained")
    heading = f"{title}, {key}: {percent(scores.accuracy)} % of {scores.matrix.sum()}"
    draw_matrix(picture.add_subplot(), scores.matrix, outcomes.classes, heading)
    return _save(picture, folder / f"confusion-{key}.png")


def _draw_beside(folder: Path, outcomes: Outcomes, paper: PaperDataSet) -> Path:
    """Our DBN-2 and the paper's figure."""
    width, height = _size(outcomes.classes)
    picture = Figure(figsize=(2 * width, height), layout="constrained")
    ours, theirs = picture.subplots(1, 2)
    matrix, counts = outcomes.scores["dbn-2"].matrix, paper.confusion(outcomes.classes)
    draw_matrix(ours, matrix, outcomes.classes, f"This run, DBN-2: {percent(matrix.trace() / matrix.sum())} %")
    heading = f"The paper's figure {paper.figure}, turned: {percent(counts.trace() / counts.sum())} %"
    draw_matrix(theirs, counts, outcomes.classes, heading)
    return _save(picture, folder / f"figure-{paper.figure}.png")


def draw_matrix(axes: Axes, counts: npt.NDArray[np.int64], classes: Sequence[str], heading: str) -> None:
    """Draw counts [C, C], or [C, C + 1] with those without a decision last; rows are true."""
    columns = list(classes)
    if counts.shape[1] > len(classes):
        if counts[:, -1].any():
            columns.append("no decision")
        else:
            counts = counts[:, :-1]
    totals = counts.sum(axis=1, keepdims=True)
    shares = 100.0 * counts / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.1f}\n{counts[row, column]}" if totals[row] else "-"
        colour = "white" if share >= _DARK else "black" if counts[row, column] else "#999999"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("decided (% of the row, and recordings)")
    axes.set_ylabel("true")
    axes.set_title(heading, fontsize=10)


def _draw_methods(folder: Path, title: str, outcomes: Outcomes, paper: PaperDataSet | None) -> Path:
    picture = Figure(figsize=(8, 0.27 * len(METHODS) + 1.6), layout="constrained")
    axes = picture.add_subplot()
    for place, method in enumerate(METHODS):
        scores = outcomes.scores[method.key]
        value = 100 * scores.fold_mean
        low, high = (100 * end for end in scores.fold_interval)
        if not math.isnan(low):
            axes.plot([low, high], [place, place], color=_colour(method.key), linewidth=2, alpha=0.6)
        axes.plot([value], [place], "o", color=_colour(method.key), markersize=5)
        axes.annotate(f"{value:.1f}", (101, place), va="center", fontsize=7, annotation_clip=False)
        if paper and method.paper:
            axes.plot([method.paper[paper.column]], [place], "D", color=_PAPER, markersize=5, markerfacecolor="none")
    blind, frequent, _ = chance(outcomes)
    axes.axvline(100 * max(blind, frequent), color="#888888", linestyle=":", linewidth=1)
    for name, colour in {"audio": _AUDIO, "video": _VIDEO, "fused": _FUSED}.items():
        axes.plot([], [], "o-", color=colour, label=name)
    if paper:
        axes.plot([], [], "D", color=_PAPER, markerfacecolor="none", label="the paper")
    axes.plot([], [], ":", color="#888888", label="chance")
    axes.set_yticks(range(len(METHODS)), [method.key for method in METHODS], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, mean over folds, %, with its 95 % interval over subjects")
    axes.set_title(title, fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.06), ncols=5, fontsize=8, frameon=False)
    return _save(picture, folder / "methods.png")


def _colour(key: str) -> str:
    return _AUDIO if key.startswith("audio") else _VIDEO if key.startswith("video") else _FUSED


def _size(classes: Sequence[str]) -> tuple[float, float]:
    return 0.72 * len(classes) + 2.0, 0.55 * len(classes) + 1.6


def _save(picture: Figure, file: Path) -> Path:
    picture.savefig(
        file, dpi=_DPI, metadata={"Software": None}
    )  # without matplotlib's version: equal runs, equal files
    return file
