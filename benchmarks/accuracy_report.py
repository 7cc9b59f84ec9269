"""The accuracy of the starter as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.tables import markdown_table

if TYPE_CHECKING:
    from benchmarks.accuracy import Report
    from benchmarks.calm import ClipCalm

__all__ = ["markdown"]

# Measured on the same folds of RAVDESS and the same pictures of FER2013, with other people's software.
_OPENSMILE = (("linear SVM on openSMILE's eGeMAPS, whole recordings", 51.6), ("... on ComParE 2016", 60.0))
_FER_PACKAGE = ("65.9 %", "64.3 %")  # all, non-duplicates
_KINDS = {"all": "all", "non_duplicates": "in no other split"}
_LENGTHS = {"1": "1 segment", "3": "3 segments", "all": "all segments"}


def markdown(report: Report, picture: str) -> str:
    """A report as Markdown, with its picture beside it."""
    figures, bundle = report.figures, report.bundle
    return "\n".join(
        [
            "# How right the starter is\n",
            f"{report.date}, `{report.command}`\n",
            markdown_table(("machine", ""), report.machine.rows()),
            f"Bundle {bundle['name']}, manifest SHA-256 {bundle['sha256'][:16]}, trained by "
            f"{'the' if report.same_recipe else 'ANOTHER'} recipe and data that gave these figures. "
            f"{bundle['licence']}.\n",
            f"![confusions and reliability]({picture})\n",
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
        "## Voice: RAVDESS, groups of four actors left out in turn, seven classes\n",
        "Through the streaming front end, pooled over the voiced segments, the kind of head that ships.\n",
        markdown_table(_HEAD, rows),
        f"Calibration error over all beginnings of a recording: {100 * figures['calibration_error']:.1f} %. One head "
        "serves every length: it is too sure after one segment and not sure enough after all.\n",
        f"Unweighted recall by the actors left out: {groups}. Calm counts as neutral"
        + (f"; {100 * calm:.1f} % of it is taken for that" if calm is not None else "")
        + f". {figures['recordings_without_a_voiced_segment']} recordings have no voiced segment.\n",
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
        "## Face: FER2013's private test, seven classes, no picture left out\n",
        f"{figures['dropped_from_training']} training pictures that are in a test split too were not trained on.\n",
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
        "## Fusion: voices and faces of strangers, put together by their label\n",
        "Nobody is in both data sets, so this says nothing about a person's own voice and face. Given the label the "
        "two are independent, and the product of both calibrated heads is nearly the best there can be.\n",
        markdown_table((*_HEAD, "log-loss of the product"), rows),
        f"Calibration error over all beginnings of a recording: {100 * figures['calibration_error']:.1f} %.\n",
        f"Over all segments the head on the deep belief network {verdict} the product rule in log-loss ({loss:.3f} "
        f"against {product:.3f}). Mean confidence {100 * confidence['agreeing']:.0f} % where voice and face agree, "
        f"{100 * confidence['contradicting']:.0f} % where they contradict each other.\n",
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
        "## Calm: real clips, nobody in them acts for a data set\n",
        "Changes of the published label, pooled over the utterance or 3 s, and of single segments.\n",
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
