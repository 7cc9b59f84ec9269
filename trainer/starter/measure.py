"""How good the starter's heads are on actors and faces that nothing was learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.engines.heads import LinearSVM
from emostream.trainer.heads.calibrated import fit_pairs
from emostream.trainer.heads.choice import LENGTHS, Method, fit_common
from emostream.trainer.heads.prefixes import PrefixPlaces
from emostream.trainer.heads.sigmoid import class_probabilities
from emostream.trainer.metrics import (
    accuracy,
    bootstrap_over_subjects,
    confusion,
    expected_calibration_error,
    log_loss,
    macro_recall,
    reliability,
)
from emostream.trainer.starter.face_model import FaceEmbeddings
from emostream.trainer.starter.faces import Faces
from emostream.trainer.starter.recipe import LABELS
from emostream.trainer.starter.voices import Voices

__all__ = ["FINDINGS", "Decided", "left_out", "measure_face", "measure_fusion", "measure_voice", "summary"]

FINDINGS = "findings.json"
"""Name of the file in the folder of what is unfinished."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DIGITS = 4


@dataclass(frozen=True, eq=False)
class Decided(PrefixPlaces):
    """Decisions on prefixes of recordings, alone or each with a face, by models that never met either.

    Attributes:
        decisions: [N, P].
        faces: int64 [N], which face of the test split; -1 for none.
    """

    decisions: Floats
    faces: Ints

    @classmethod
    def of(cls, parts: Sequence[dict[str, npt.NDArray[Any]]], name: str) -> Decided:
        """One kind of what `strangers` found, of all groups together."""
        decisions, recordings, lengths = (
            np.concatenate([part[key] for part in parts]) for key in (name, f"{name}_recordings", f"{name}_lengths")
        )
        faces = [part.get(f"{name}_faces", np.full(len(part[name]), -1)) for part in parts]
        return cls(recordings, lengths, decisions, np.concatenate(faces))


def left_out(method: Method, fitted: Decided, tested: Decided, labels: Ints, groups: npt.NDArray[Any]) -> Floats:
    """Probabilities [N, C] of the tested rows, by sigmoids fitted to the rows of the other groups.

    Args:
        method: of the calibration.
        fitted: what they are fitted to.
        tested: what they are used on.
        labels: class of each recording.
        groups: of each recording; a group's own rows never calibrate it.
    """
    fit = fit_pairs if method == "pairs" else fit_common
    result = np.empty((len(tested.recordings), len(LABELS)))
    for group in np.unique(groups[tested.recordings]):
        others = groups[fitted.recordings] != group
        own = groups[tested.recordings] == group
        sigmoids = fit(fitted.decisions[others], labels[fitted.recordings[others]], len(LABELS), fitted.weights[others])
        result[own] = class_probabilities(tested.decisions[own], sigmoids, len(LABELS))
    return result


def measure_voice(method: Method, voice: Decided, voices: Voices, groups: npt.NDArray[Any]) -> dict[str, Any]:
    """Figures of the voice head after 1, 3 and all segments; calm apart, each group of actors apart.

    Args:
        method: of the calibration.
        voice: decisions of the heads.
        voices: recordings.
        groups: of each recording.
    """
    labels, corpus = voices.corpus.labels, voices.corpus
    probabilities = left_out(method, voice, voice, labels, groups)
    found: dict[str, Any] = {}
    for name, length in LENGTHS.items():
        at = voice.at(length)
        own = voice.recordings[at]
        found[name] = summary(labels[own], probabilities[at], corpus.subjects[own])
    found["calibration_error"] = _calibration_error(probabilities, labels[voice.recordings])
    at = voice.at(None)
    own, predicted = voice.recordings[at], probabilities[at].argmax(axis=1)
    calm = voices.calm[own]
    neutral = LABELS.index("neutral")
    found["recordings_without_a_voiced_segment"] = len(corpus.recordings) - len(own)
    found["calm_taken_for_neutral"] = round(float((predicted[calm] == neutral).mean()), _DIGITS) if calm.any() else None
    found["groups"] = {
        str(group): round(macro_recall(labels[own[rows]], predicted[rows], len(LABELS)), _DIGITS)
        for group in np.unique(groups[own])
        if (rows := groups[own] == group).any()
    }
    return found


def measure_face(head: LinearSVM, faces: Faces, embeddings: FaceEmbeddings) -> dict[str, Any]:
    """Figures of the face head on FER2013's private test, every picture of it, after 1 and 3 segments.

    Args:
        head: what ships.
        faces: FER2013.
        embeddings: of them.
    """
    private = faces.private
    found: dict[str, Any] = {"dropped_from_training": faces.dropped}
    for name, rows in (("all", np.ones(len(private.labels), bool)), ("non_duplicates", ~private.copies)):
        truth = private.labels[rows]
        nobody = np.arange(len(truth))
        found[name] = {
            "1": summary(truth, head.probabilities(embeddings.private[0][rows]), nobody),
            "3": summary(truth, head.probabilities(embeddings.private.mean(axis=0)[rows]), nobody),
            "2-D network": {"accuracy": round(accuracy(truth, embeddings.decided_2d[rows]), _DIGITS)},
        }
    return found


def measure_fusion(
    method: Method,
    audio_method: Method,
    parts: Sequence[dict[str, npt.NDArray[Any]]],
    video: Callable[[Ints], Floats],
    video_prior: Floats,
    voices: Voices,
    groups: npt.NDArray[Any],
) -> dict[str, Any]:
    """Figures of the fused head on pairs of strangers, beside the product rule on the same pairs.

    Args:
        method: calibration of the fused head.
        audio_method: calibration of the voice head.
        parts: what `strangers` found.
        video: calibrated probabilities [n, C] of places in the private test split.
        video_prior: what the face head says of its calibration faces on average [C]; the product would count it twice.
        voices: recordings.
        groups: of each recording.
    """
    labels = voices.corpus.labels
    voice, public, private, other = (Decided.of(parts, name) for name in ("voice", "public", "private", "other"))
    joint = left_out(method, public, private, labels, groups)
    doubted = left_out(method, public, other, labels, groups)
    heard = left_out(audio_method, voice, voice, labels, groups)
    found: dict[str, Any] = {}
    for name, length in LENGTHS.items():
        at, voice_at = private.at(length), voice.at(length)
        own = private.recordings[at]
        product = heard[voice_at] * video(private.faces[at]) / video_prior
        product /= product.sum(axis=1, keepdims=True)
        found[name] = {
            **summary(labels[own], joint[at], voices.corpus.subjects[own]),
            "product_rule_log_loss": round(log_loss(product, labels[own]), _DIGITS),
            "product_rule_accuracy": round(accuracy(labels[own], product.argmax(axis=1)), _DIGITS),
        }
    found["calibration_error"] = _calibration_error(joint, labels[private.recordings])
    found["confidence"] = {
        "agreeing": round(float(joint[private.at(None)].max(axis=1).mean()), _DIGITS),
        "contradicting": round(float(doubted[other.at(None)].max(axis=1).mean()), _DIGITS),
    }
    return found


def _calibration_error(probabilities: Floats, truth: Ints) -> float:
    """Of all prefixes together: what a head says from the first segment of an utterance to its last."""
    return round(expected_calibration_error(probabilities, truth), _DIGITS)


def summary(truth: Ints, probabilities: Floats, subjects: npt.NDArray[Any]) -> dict[str, Any]:
    """Accuracy with its interval over subjects, unweighted recall, how honest the probabilities are, confusions."""
    predicted = probabilities.argmax(axis=1)
    honest = reliability(probabilities, truth)._asdict()
    low, high = bootstrap_over_subjects(truth, predicted, subjects, accuracy)
    return {
        "count": len(truth),
        "accuracy": round(accuracy(truth, predicted), _DIGITS),
        "accuracy_interval_95": [round(low, _DIGITS), round(high, _DIGITS)],
        "unweighted_recall": round(macro_recall(truth, predicted, len(LABELS)), _DIGITS),
        "calibration_error": round(expected_calibration_error(probabilities, truth), _DIGITS),
        "log_loss": round(log_loss(probabilities, truth), _DIGITS),
        "confusion": confusion(truth, predicted, len(LABELS))[:, :-1].tolist(),
        "reliability": {name: each.round(_DIGITS).tolist() for name, each in honest.items()},
    }
