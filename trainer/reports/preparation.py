"""What became of a data set's recordings before training, in plain values and as tables for the terminal."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emostream.trainer.segments.prepare import PreparedSet

__all__ = ["Preparation", "RecordingProblem", "preparation_tables"]


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


def preparation_tables(prepared: Preparation) -> Group:
    """What was found and cut, what was lost by subject, and every problem by the name of its recording."""
    subjects = len(prepared.found_by_subject)
    parts: list[RenderableType] = [
        Text(f"{prepared.used} of {prepared.found} recordings of {subjects} subject{'s' if subjects > 1 else ''}"),
        Text(
            f"{prepared.segments} segments: voice in {prepared.voiced_share:.0%}, face in {prepared.face_share:.0%}",
        ),
    ]
    parts += [Text(f"left out: {count} ({reason})") for reason, count in prepared.left_out.items()]
    if prepared.lost_by_subject:
        table = Table("subject", "recordings", "lost", title="Recordings that can't be used", title_justify="left")
        for subject, lost in prepared.lost_by_subject.items():
            table.add_row(Text(subject), str(prepared.found_by_subject[subject]), str(lost))
        parts.append(table)
    by_kind = defaultdict(list)
    for problem in prepared.problems:
        kind = problem.kind if problem.lost else f"{problem.kind} (kept)"
        by_kind[kind].append(f"{problem.recording}{f': {problem.detail}' if problem.detail else ''}")
    for kind, names in sorted(by_kind.items()):
        parts.append(Text(f"{kind}: {len(names)}", style="yellow"))
        parts += [Text(f"  {name}") for name in names]
    return Group(*parts)
