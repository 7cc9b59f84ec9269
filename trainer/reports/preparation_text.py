"""The closing report of `prepare`, for the terminal."""

from __future__ import annotations

from collections import defaultdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emostream.trainer.reports.preparation import Preparation

__all__ = ["preparation_tables"]


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
