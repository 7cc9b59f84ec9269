"""Data and settings of a run, in Markdown."""

from __future__ import annotations

from collections import defaultdict

from emostream.trainer.reports.facts import FoldFacts, RunFacts, Training
from emostream.trainer.reports.preparation import Preparation
from emostream.trainer.reports.text import markdown_table, percent, span

__all__ = ["data_text", "run_text"]

_MOST_NAMED = 50  # problems of one kind that are listed; `run.json` has all


def data_text(facts: Preparation) -> str:
    """What became of the recordings."""
    parts = [
        f"{facts.used} of {facts.found} recordings of {len(facts.found_by_subject)} subjects were used; "
        f"{facts.segments} segments, {percent(facts.voiced_share, 1)} % voiced, "
        f"{percent(facts.face_share, 1)} % with a face.\n"
    ]
    if facts.left_out:
        listed = ", ".join(f"{reason} {count}" for reason, count in facts.left_out.items())
        parts.append(f"No part of the data set: {listed}.\n")
    if facts.lost_by_subject:
        rows = [
            [subject, str(facts.found_by_subject[subject]), str(count)]
            for subject, count in facts.lost_by_subject.items()
        ]
        parts.append(markdown_table(["subject", "recordings", "lost"], rows))
    kinds: dict[str, list[str]] = defaultdict(list)
    for problem in facts.problems:
        kind = f"{problem.kind} ({'left out' if problem.lost else 'used'})"
        detail = " ".join(problem.detail.split())
        kinds[kind].append(f"- `{problem.recording}`{f': {detail}' if detail else ''}\n")
    for kind, lines in kinds.items():
        more = f"- and {len(lines) - _MOST_NAMED} more, in run.json\n" if len(lines) > _MOST_NAMED else ""
        parts.append(f"{kind}, {len(lines)}:\n\n{''.join(lines[:_MOST_NAMED])}{more}")
    return "\n".join(parts)


def run_text(facts: RunFacts) -> str:
    """Protocol, training, machine, and what each fold chose."""
    training = facts.training
    rows = [
        ["folds", f"{len(facts.folds)} of {facts.folds_of_all}, {facts.protocol}"],
        ["preset, recipe", f"{training.preset}, {training.recipe}"],
        ["epochs", ", ".join(f"{part} {count}" for part, count in training.epochs.items())],
        *([f"initial weights, {part}", _weights(training, part)] for part in training.initial_weights),
        ["segments of the audio network", training.segments],
        ["seed, precision", f"{training.seed}, {training.precision}"],
        ["machine of this report", f"{facts.machine}, {facts.cores} cores"],
        ["time of this command", span(facts.seconds)],
    ]
    folds = [_fold_row(name, fold) for name, fold in facts.folds.items()]
    return (
        f"{markdown_table(['setting', ''], rows, left=2)}\n"
        "Each fold, with the accuracy of each rate of the Boltzmann machines on inner subjects, in %; the best "
        "was taken. Its time counts from its last start.\n\n"
        f"{markdown_table(['fold', 'held out', 'rates', 'taken', 'time'], folds, left=3)}"
    )


def _weights(training: Training, part: str) -> str:
    file = training.initial_weights[part]
    if file is None:
        return "random"
    colours = {True: ", taken to see BGR", False: ", taken to see RGB", None: ""}[training.video_bgr]
    return f"{file.name}, sha256 {file.sha256}{colours if part == 'video' else ''}"


def _fold_row(name: str, fold: FoldFacts) -> list[str]:
    rates = ", ".join(f"{rate}: {percent(accuracy, 1)}" for rate, accuracy in fold.rates.items())
    return [name, ", ".join(fold.held_out), rates, fold.rate, span(fold.seconds)]
