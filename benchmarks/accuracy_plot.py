"""The picture of an accuracy report: confusion matrices, and how honest the probabilities are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.accuracy_report import AccuracyReport
from benchmarks.pictures import new_picture, save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

_LARGEST = 200.0  # points², of a mark that stands for everything


def plot(report: AccuracyReport, file: Path) -> None:
    """Draw a report into a PNG file.

    Raises:
        ConfigError: matplotlib is missing.
        PublishError: the file can't be written.
    """
    figures = report.figures
    heads = {
        "voice: RAVDESS, actors left out": figures["audio"]["all"],
        "face: FER2013, in no other split": figures["video"]["non_duplicates"]["1"],
        "fused: pairs of strangers": figures["fused"]["all"],
    }
    picture = new_picture(13, 8.5)
    places = picture.subplots(2, 3)
    for column, (title, own) in enumerate(heads.items()):
        _confusion(places[0, column], title, own, report.labels)
        _reliability(places[1, column], own)
    picture.suptitle(f"The starter, measured {report.date} by `{report.command}`", fontsize=11)
    save_picture(picture, file)


def _confusion(axes: Axes, title: str, own: dict[str, Any], labels: list[str]) -> None:
    counts = np.array(own["confusion"], float)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.ndindex(*shares.shape):
        colour = "white" if shares[row, column] > 55 else "black"
        axes.text(column, row, f"{shares[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_title(f"{title}\naccuracy {100 * own['accuracy']:.1f} %, rows are the truth, %", fontsize=10)


def _reliability(axes: Axes, own: dict[str, Any]) -> None:
    honest = {name: np.array(values, float) for name, values in own["reliability"].items()}
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1)
    sizes = _LARGEST * honest["counts"] / honest["counts"].sum() + 6
    axes.scatter(honest["confidence"], honest["right"], s=sizes, color="#0072B2")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the label", ylabel="how often it is right")
    axes.set_title(f"calibration error {100 * own['calibration_error']:.1f} %", fontsize=10)
