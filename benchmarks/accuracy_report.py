"""The report of the accuracy benchmark: its figures and its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.calm import ClipCalm
from benchmarks.machine import Measured
from benchmarks.tables import markdown_table, page

__all__ = ["AccuracyReport", "markdown"]

# Measured on the same folds of RAVDESS and the same pictures of FER2013, with other people's software.
_OPENSMILE = (("linear SVM on openSMILE's eGeMAPS, whole recordings", 51.6), ("... on ComParE 2016", 60.0))
_FER_PACKAGE = ("65.9 %", "64.3 %")  # all, non-duplicates
_KINDS = {"all": "all", "non_duplicates": "in no other split"}
_LENGTHS = {"1": "1 segment", "3": "3 segments", "all": "all segments"}


@dataclass(frozen=True)
class AccuracyReport(Measured):
    """The figures, and what they were measured on.

    Attributes:
        bundle: name, hash and licence of the bundle that the clips were shown to.
        same_recipe: whether that bundle was trained by the recipe and on the data that gave the figures.
        labels: the classes.
        figures: of the three heads, as `emostream-train starter` finds them.
        clips: what was said of them.
    """

    bundle: dict[str, str]
    same_recipe: bool
    labels: list[str]
    figures: dict[str, Any]
    clips: list[ClipCalm]


def markdown(report: AccuracyReport, picture: str) -> str:
    """A report as Markdown, with its picture beside it."""
    figures, bundle = report.figures, report.bundle
    return page(
        [
            *report.head("How right the starter is"),
            f"Bundle {bundle['name']}, manifest SHA-256 {bundle['sha256'][:16]}, trained by "
            f"{'the' if report.same_recipe else 'ANOTHER'} recipe and data that gave these figures. "
            f"{bundle['licence']}.",
            f"![confusions and reliability]({picture})",
            *_voice(figures["audio"]),
            *_face(figures["video"]),
            *_fused(figures["fused"]),
            *_clips(report.clips),
        ]
    )


def _voice(figures: dict[str, Any]) -> list[str]:
    rows = [_row(_LENGTHS[name], figures[name]) for name in _LENGTHS]
    rows += [(name, "-", f"{value:.1f} %", "-", "-", "-") for name, value in _OPENSMILE]
    groups = ", ".join(
        f"{name.removeprefix('actors-')}: {100 * value:.1f} %" for name, value in figures["groups"].items()
    )
    calm = figures["calm_taken_for_neutral"]
    return [
        "## Voice: RAVDESS, groups of four actors left out in turn, seven classes",
        "Through the streaming front end, pooled over the voiced segments, the kind of head that ships.",
        markdown_table(_HEAD, rows),
        f"Calibration error over all beginnings of a recording: {100 * figures['calibration_error']:.1f} %. One head "
        "serves every length: it is too sure after one segment and not sure enough after all.",
        f"Unweighted recall by the actors left out: {groups}. Calm counts as neutral"
        + (f"; {100 * calm:.1f} % of it is taken for that" if calm is not None else "")
        + f". {figures['recordings_without_a_voiced_segment']} recordings have no voiced segment.",
    ]


def _face(figures: dict[str, Any]) -> list[str]:
    rows = []
    for (name, kind), other in zip(_KINDS.items(), _FER_PACKAGE, strict=True):
        own = figures[name]
        rows += [
            _row(f"{kind}: 1 segment, a still clip", own["1"]),
            _row(f"{kind}: 3 segments, two of them moving", own["3"]),
            (f"{kind}: the 2-D network", f"{100 * own['2-D network']['accuracy']:.1f} %", "-", "-", "-", "-"),
            (f"{kind}: the network of the package `fer`", other, "-", "-", "-", "-"),
        ]
    return [
        "## Face: FER2013's private test, seven classes, no picture left out",
        f"{figures['dropped_from_training']} training pictures that are in a test split too were not trained on.",
        markdown_table(_HEAD, rows),
    ]


def _fused(figures: dict[str, Any]) -> list[str]:
    rows = [
        (*_row(label, figures[name]), f"{figures[name]['product_rule_log_loss']:.3f}")
        for name, label in _LENGTHS.items()
    ]
    loss, product = figures["all"]["log_loss"], figures["all"]["product_rule_log_loss"]
    verdict = "matches or beats" if loss <= product else "does not match"
    confidence = figures["confidence"]
    return [
        "## Fusion: voices and faces of strangers, put together by their label",
        "Nobody is in both data sets, so this says nothing about a person's own voice and face. Given the label the "
        "two are independent, and the product of both calibrated heads is nearly the best there can be.",
        markdown_table((*_HEAD, "log-loss of the product"), rows),
        f"Calibration error over all beginnings of a recording: {100 * figures['calibration_error']:.1f} %.",
        f"Over all segments the head on the deep belief network {verdict} the product rule in log-loss ({loss:.3f} "
        f"against {product:.3f}). Mean confidence {100 * confidence['agreeing']:.0f} % where voice and face agree, "
        f"{100 * confidence['contradicting']:.0f} % where they contradict each other.",
    ]


def _clips(clips: list[ClipCalm]) -> list[str]:
    rows = [
        (
            clip.clip,
            f"{clip.labelled} of {clip.events}",
            _share(clip.labels),
            _share(clip.last_half),
            _share(clip.with_face),
            f"{clip.changes_per_minute:.1f}",
            f"{clip.segment_changes_per_minute:.1f}",
        )
        for clip in clips
    ]
    head = ("clip", "events with a label", "labels", "last half", "with a face", "changes a minute", "... of segments")
    return [
        "## Calm: real clips, nobody in them acts for a data set",
        "Changes of the published label, pooled over the utterance or 3 s, and of single segments.",
        markdown_table(head, rows),
    ]


_HEAD = ("", "accuracy (95 % interval)", "unweighted recall", "calibration error", "log-loss", "count")


def _row(label: str, own: dict[str, Any]) -> tuple[str, ...]:
    low, high = own["accuracy_interval_95"]
    return (
        label,
        f"{100 * own['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})",
        f"{100 * own['unweighted_recall']:.1f} %",
        f"{100 * own['calibration_error']:.1f} %",
        f"{own['log_loss']:.3f}",
        str(own["count"]),
    )


def _share(labels: dict[str, int]) -> str:
    """The labels with their shares, the three most frequent."""
    total = sum(labels.values())
    return ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in list(labels.items())[:3]) or "none"
