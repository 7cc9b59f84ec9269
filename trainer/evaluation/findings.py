"""What the figures of a bundle show, and what they can't show."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from emostream.engines.bundle import Manifest
from emostream.trainer.evaluation.evaluate import EVALUATED_HEADS, EvaluatedHead, Evaluation
from emostream.trainer.reports.scores import difference
from emostream.trainer.reports.text import interval, percent, points

__all__ = ["evaluation_findings", "evaluation_warnings", "trained_on"]

_FEW_SUBJECTS = 20  # of which a percentile interval comes out too narrow by a few percent and more
_UNIMODAL: tuple[EvaluatedHead, ...] = ("audio", "video")


def trained_on(manifest: Manifest) -> str:
    """A sentence on the data that a bundle was trained on."""
    if not manifest.trained:
        return "The bundle is untrained: its weights are random."
    training = manifest.training
    if not isinstance(training.get("dataset"), str):
        return "The bundle's manifest names no data set that it was trained on."
    sizes = [f"{training[name]} {name}" for name in ("recordings", "subjects") if isinstance(training.get(name), int)]
    return f"The bundle was trained on data set {training['dataset']}{', ' if sizes else ''}{' of '.join(sizes)}."


def evaluation_warnings(evaluation: Evaluation) -> list[str]:
    """Sentences on what these figures must not be taken for; empty for strangers to a trained bundle."""
    corpus, manifest = evaluation.corpus, evaluation.bundle.manifest
    if not manifest.trained:
        return ["The bundle is untrained: its weights are random, and these figures mean nothing."]
    dataset = manifest.training.get("dataset")
    measured = manifest.figures.get("measured_on")
    elsewhere = f" For unseen people see the bundle's own figures, of {measured}." if isinstance(measured, str) else ""
    if manifest.training.get("content") == corpus.identity(np.ones(len(corpus.recordings), bool)):
        return [f"The bundle was trained on these very recordings: nothing here is about unseen people.{elsewhere}"]
    if dataset == corpus.dataset:
        return [
            f"The bundle was trained on a data set of the same name, {dataset}: where it has heard and seen these "
            f"people before, these figures are not about unseen people.{elsewhere}"
        ]
    if not isinstance(dataset, str):
        return ["The bundle's manifest names no training data, so it may know these people: figures may be too good."]
    return []


def evaluation_findings(evaluation: Evaluation) -> list[str]:
    """Sentences on what the figures show, each difference with whether it may be chance."""
    return [
        _chance(evaluation),
        *_live(evaluation),
        *_fused(evaluation),
        *_blind(evaluation),
        *_undecided(evaluation),
        *_absent(evaluation),
        _intervals(len(set(evaluation.corpus.subjects.tolist()))),
    ]


def _chance(evaluation: Evaluation) -> str:
    blind, frequent, label = evaluation.chance
    text = f"Chance: a blind guess among {len(evaluation.labels)} classes is right in {percent(blind, 1)} %"
    return text + (f", saying always {label} in {percent(frequent, 1)} %." if frequent > blind else ".")


def _live(evaluation: Evaluation) -> list[str]:
    figures = evaluation.figures["live", "all"]
    total = len(evaluation.scores)
    if not figures.decided:
        return [f"None of {total} recordings has a voice or a face, so there is nothing that the streamer could say."]
    counts = Counter(each.chosen for each in evaluation.scores if each.chosen)
    speakers = ", ".join(f"{head} {counts[head]}" for head in EVALUATED_HEADS if head != "live" and counts[head])
    return [
        f"What the streamer would say at the end (live): {percent(figures.accuracy)} % of {total} recordings "
        f"(95 % interval {interval(figures.accuracy_interval)}), macro recall {percent(figures.macro_recall)} % "
        f"({interval(figures.recall_interval)}). It would speak by the heads {speakers}."
    ]


def _fused(evaluation: Evaluation) -> list[str]:
    """The fused head against the better single one, on recordings that it decides on: then all three do."""
    fused = evaluation.predicted("fused", "all")
    both = fused >= 0
    if not both.any():
        return []
    truth, subjects = evaluation.truth[both], evaluation.corpus.subjects[both]
    alone = {head: evaluation.predicted(head, "all")[both] for head in _UNIMODAL}
    better = max(_UNIMODAL, key=lambda head: int((alone[head] == truth).sum()))
    found = difference(truth, fused[both], alone[better], subjects)
    low, high = found.interval
    text = (
        f"Fused less {better}, the better single head by these same figures, on the {both.sum()} recordings with both: "
        f"{points(100 * found.value)} points"
    )
    if math.isnan(low):
        return [f"{text}."]
    verdict = "a clear difference" if found.clear else "it may be chance"
    return [f"{text}, 95 % interval {points(100 * low)} to {points(100 * high)}, {verdict}."]


def _blind(evaluation: Evaluation) -> list[str]:
    """Heads that a guess can't be told from."""
    level = max(evaluation.chance[:2])
    heads = [head for head in EVALUATED_HEADS if evaluation.figures[head, "all"].accuracy_interval[0] <= level]
    return [f"Not clearly above chance after all segments: {', '.join(heads)}."] if heads else []


def _undecided(evaluation: Evaluation) -> list[str]:
    counts = {head: evaluation.figures[head, "all"].undecided for head in EVALUATED_HEADS}
    if not any(counts.values()):
        return []
    listed = ", ".join(f"{head} {count}" for head, count in counts.items() if count)
    return [
        f"Recordings without a decision, for want of a voice or a face, count as wrong: {listed} "
        f"of {len(evaluation.scores)}."
    ]


def _absent(evaluation: Evaluation) -> list[str]:
    there = set(evaluation.truth.tolist())
    absent = [label for number, label in enumerate(evaluation.labels) if number not in there]
    if not absent:
        return []
    return [
        f"There are no recordings of {', '.join(absent)}, which the bundle knows too: it is wrong where it decides so, "
        "and recall is of the other classes."
    ]


def _intervals(people: int) -> str:
    if people < 2:
        return "All recordings are of one subject, so there are no intervals: nothing is known of other people."
    text = f"Intervals are from 2000 draws of {people} subjects with replacement."
    return text + (" With so few subjects they are rough, and rather too narrow." if people < _FEW_SUBJECTS else "")
