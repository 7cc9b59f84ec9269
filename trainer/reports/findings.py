"""What the figures of a run show, and what in them can't be held against the paper's."""

from __future__ import annotations

import math

import numpy as np

from emostream.trainer.protocol.methods import METHODS
from emostream.trainer.reports.facts import RunFacts
from emostream.trainer.reports.outcomes import Outcomes
from emostream.trainer.reports.paper import PaperDataSet, paper_data_set
from emostream.trainer.reports.scores import difference
from emostream.trainer.reports.tables import MethodTable, Table
from emostream.trainer.reports.text import interval, percent, points

__all__ = ["best_other_fusion", "chance", "findings", "not_comparable", "other_data"]

_FUSION_TABLES = {"V", "VI", "X"}
_FEW_SUBJECTS = 20  # of which a percentile interval comes out too narrow by a few percent and more
_FIRST_DATA = {"audio": "ImageNet", "video": "Sports-1M"}  # what the paper's networks were trained on first


def chance(outcomes: Outcomes) -> tuple[float, float, str]:
    """How often a blind guess is right, how often the most frequent class, both 0 to 1, and that class."""
    counts = np.bincount(outcomes.truth, minlength=len(outcomes.classes))
    return 1 / len(outcomes.classes), float(counts.max() / counts.sum()), outcomes.classes[int(counts.argmax())]


def best_other_fusion(outcomes: Outcomes) -> str:
    """Key of the fusion method with the highest accuracy beside DBN-2, the first of equals."""
    fusions = [method.key for method in METHODS if _FUSION_TABLES & method.tables.keys() and method.key != "dbn-2"]
    return max(fusions, key=lambda key: outcomes.scores[key].accuracy)


def findings(outcomes: Outcomes, tables: tuple[Table, ...]) -> list[str]:
    """Sentences on what the run shows, each difference with whether it may be chance."""
    people = len(np.unique(outcomes.subjects))
    return [
        _chance(outcomes),
        _dbn(outcomes),
        _compared(outcomes, max(("audio", "video"), key=lambda key: outcomes.scores[key].accuracy), "single modality"),
        _compared(outcomes, best_other_fusion(outcomes), "other fusion", "chosen by these same figures"),
        *_blind(outcomes),
        *_paper(tables),
        *_undecided(outcomes),
        _intervals(people),
    ]


def not_comparable(facts: RunFacts) -> list[str]:
    """Sentences on why our figures and the paper's are not of the same thing."""
    paper = paper_data_set(facts.dataset, facts.labels)
    if paper is None:
        return [f"The paper has no figures of data set {facts.dataset} with the classes {', '.join(facts.labels)}."]
    return [*_data(facts), *_settings(facts), *_prints(paper)]


def other_data(facts: RunFacts) -> str:
    """A warning where a folder in the layout of one of the paper's data sets holds something else; else empty."""
    paper, found = paper_data_set(facts.dataset, facts.labels), facts.preparation.found
    people = len(facts.preparation.found_by_subject)
    if paper is None or (found, people) == (paper.recordings, paper.subjects):
        return ""
    return (
        f"Other data than the paper's: {paper.recordings} recordings of {paper.subjects} subjects there, "
        f"{found} of {people} here."
    )


def _chance(outcomes: Outcomes) -> str:
    blind, frequent, label = chance(outcomes)
    text = f"Chance: a blind guess among {len(outcomes.classes)} classes is right in {percent(blind, 1)} %"
    return text + (f", saying always {label} in {percent(frequent, 1)} %." if frequent > blind else ".")


def _dbn(outcomes: Outcomes) -> str:
    scores = outcomes.scores["dbn-2"]
    return (
        f"DBN-2, the paper's method: {percent(scores.accuracy)} % of {len(outcomes.truth)} recordings "
        f"(95 % interval {interval(scores.interval)}), mean over folds {percent(scores.fold_mean)} %, "
        f"macro recall {percent(scores.macro_recall)} %."
    )


def _compared(outcomes: Outcomes, other: str, role: str, remark: str = "") -> str:
    found = difference(outcomes.truth, outcomes.predicted["dbn-2"], outcomes.predicted[other], outcomes.subjects)
    low, high = found.interval
    text = f"DBN-2 less the best {role}, {other}{f' ({remark})' if remark else ''}: {points(100 * found.value)} points"
    if math.isnan(low):
        return f"{text}."
    verdict = "a clear difference" if found.clear else "within the interval: it may be chance"
    return f"{text}, 95 % interval {points(100 * low)} to {points(100 * high)}, {verdict}."


def _blind(outcomes: Outcomes) -> list[str]:
    """Methods that a guess can't be told from."""
    level = max(chance(outcomes)[:2])
    keys = [key for key, scores in outcomes.scores.items() if scores.interval[0] <= level]
    return [f"Not clearly above chance: {', '.join(keys)}."] if keys else []


def _paper(tables: tuple[Table, ...]) -> list[str]:
    rows = {row.key: row for table in tables if isinstance(table, MethodTable) for row in table.rows}
    judged = [row for row in rows.values() if row.paper_within is not None]
    if not judged:
        return []
    inside = sum(bool(row.paper_within) for row in judged)
    return [
        f"Within the 95 % interval of ours, marked ~ in the tables: {inside} of {len(judged)} figures of the paper."
    ]


def _undecided(outcomes: Outcomes) -> list[str]:
    counts = {key: scores.undecided for key, scores in outcomes.scores.items() if scores.undecided}
    if not counts:
        return []
    listed = ", ".join(f"{key} {count}" for key, count in counts.items())
    return [
        f"Recordings without a decision, for want of a face or a voice, count as wrong: {listed} "
        f"of {len(outcomes.truth)}."
    ]


def _intervals(people: int) -> str:
    if people < 2:
        return "All recordings are of one subject, so there are no intervals: nothing is known of other people."
    text = f"Intervals are from 2000 draws of {people} subjects with replacement; they say nothing of other seeds."
    return text + (" With so few subjects they are rough, and rather too narrow." if people < _FEW_SUBJECTS else "")


def _data(facts: RunFacts) -> list[str]:
    found = []
    if lost := facts.preparation.found - facts.preparation.used:
        found.append(f"{lost} of {facts.preparation.found} recordings could not be used.")
    if len(facts.folds) < facts.folds_of_all:
        found.append(f"Only {len(facts.folds)} of {facts.folds_of_all} folds were run.")
    if facts.protocol == "five-groups":
        found.append("The paper doesn't say which speakers are in which of its five groups; ours are even in size.")
    return found


def _settings(facts: RunFacts) -> list[str]:
    training, found = facts.training, []
    if training.preset != "paper":
        found.append(f"The networks have the sizes of preset {training.preset}, not the paper's.")
    if training.recipe != "paper":
        found.append(f"They were trained by recipe {training.recipe}, not by the paper's schedule.")
    for part, source in _FIRST_DATA.items():
        if training.initial_weights[part] is None:
            found.append(
                f"The {part} network began with random weights, the paper's with those of {source}; "
                f"so {part}-original is a random network."
            )
    if training.segments != "all":
        found.append("The audio network saw segments with voice alone; the paper's saw all.")
    return found


def _prints(paper: PaperDataSet) -> list[str]:
    matrix = paper.confusion(paper.emotions)
    pooled = matrix.trace() / matrix.sum()
    return [
        "The paper gives the average accuracy of its test runs, presumably the mean over folds: differences are "
        "taken from ours.",
        f"Rows of figure {paper.figure} are predictions, so what table {paper.emotion_table} prints as recall is "
        f"precision, and what it prints as precision is neither. Counts recovered from the figure give the recalls "
        f"beside ours, and a pooled accuracy of {percent(pooled)} %.",
        "The paper's score-level figures differ from its average rule's, so its scores were others, which it doesn't "
        "name. With ours, the SVMs' probabilities, both are the same.",
        "The paper doesn't state the SVM's C, the scaling of features, the rate of the Boltzmann machines, where the "
        "eyes lie in a crop, or how it validated. Its authors' published scripts validate the DBN on the test fold "
        "and scale test features by themselves; here nothing of a test subject enters training.",
    ]
