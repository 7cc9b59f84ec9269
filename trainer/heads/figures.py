"""The measured figures of a head that a bundle carries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.trainer.heads.choice import LENGTHS, Calibration
from emostream.trainer.heads.prefixes import PrefixRows
from emostream.trainer.heads.sigmoid import Sigmoids, class_probabilities
from emostream.trainer.metrics import accuracy, bootstrap_over_subjects, macro_recall

__all__ = ["head_figures"]

_DIGITS = 4


def head_figures(
    calibration: Calibration,
    decisions: npt.NDArray[np.float64],
    rows: PrefixRows,
    labels: npt.NDArray[np.int64],
    subjects: npt.NDArray[Any],
) -> dict[str, Any]:
    """Accuracy and unweighted recall after 1, 3 and all segments of a recording, and how honest the probabilities are.

    Args:
        calibration: the head and the figures of its probabilities.
        decisions: [N, P] of the prefixes, by SVMs that were trained without their subjects.
        rows: the prefixes.
        labels: class of each recording.
        subjects: of each recording.
    """
    head = calibration.head
    sigmoids = Sigmoids(head.prob_a.astype(np.float64), head.prob_b.astype(np.float64))
    found: dict[str, Any] = {"probabilities": calibration.method}
    for name, length in LENGTHS.items():
        at = rows.at(length)
        at = at[np.isfinite(decisions[at]).all(axis=1)]
        if not at.size:
            continue
        truth, tested = labels[rows.recordings[at]], subjects[rows.recordings[at]]
        predicted = class_probabilities(decisions[at], sigmoids, head.classes).argmax(axis=1)
        low, high = bootstrap_over_subjects(truth, predicted, tested, accuracy)
        found[name] = {
            "recordings": int(at.size),
            "accuracy": round(accuracy(truth, predicted), _DIGITS),
            "accuracy_interval_95": [round(low, _DIGITS), round(high, _DIGITS)],
            "unweighted_recall": round(macro_recall(truth, predicted, head.classes), _DIGITS),
        }
        measured = calibration.figures.get(calibration.method, {}).get(name)
        if measured:
            found[name].update({key: round(value, _DIGITS) for key, value in asdict(measured).items()})
    return found
