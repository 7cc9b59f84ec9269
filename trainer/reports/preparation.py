"""What became of a data set's recordings before training, in plain values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from emostream.trainer.segments.prepare import PreparedSet

__all__ = ["Preparation", "RecordingProblem"]


@dataclass(frozen=True)
class RecordingProblem:
    """One problem of one recording; `lost` where it is left out, else it serves with what it has."""

    recording: str
    kind: str
    detail: str
    lost: bool


@dataclass(frozen=True)
class Preparation:
    """What became of a data set's recordings.

    Attributes:
        found: recordings of the data set.
        used: those that could be cut.
        left_out: files of its folder that are no recordings of it, by reason.
        found_by_subject: recordings of the data set, by subject.
        lost_by_subject: those that could not be used, by subject; subjects without any are left out.
        segments: of the used recordings.
        voiced_share: of the segments, 0 to 1.
        face_share: of the segments, 0 to 1.
        problems: of all recordings.
    """

    found: int
    used: int
    left_out: dict[str, int]
    found_by_subject: dict[str, int]
    lost_by_subject: dict[str, int]
    segments: int
    voiced_share: float
    face_share: float
    problems: tuple[RecordingProblem, ...]

    @classmethod
    def of(cls, prepared: PreparedSet) -> Preparation:
        """Count a prepared data set."""
        dataset, cut = prepared.dataset, [each.segments for each in prepared.recordings]
        subjects = Counter(each.subject for each in dataset.recordings)
        lost = subjects - Counter(each.recording.subject for each in prepared.recordings)
        total = sum(map(len, cut))
        return cls(
            found=len(dataset.recordings),
            used=len(cut),
            left_out=dict(dataset.left_out),
            found_by_subject=dict(sorted(subjects.items())),
            lost_by_subject=dict(sorted(lost.items())),
            segments=total,
            voiced_share=sum(int(each.voiced.sum()) for each in cut) / total,
            face_share=sum(int(each.faces.sum()) for each in cut) / total,
            problems=tuple(
                RecordingProblem(each.recording.name, each.kind, each.detail, each.lost) for each in prepared.problems
            ),
        )
