"""The report of the face detectors: figures and page."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.machine import MeasuredUnderLoad
from benchmarks.tables import figure, markdown_table, page

__all__ = ["ConditionRow", "FacelessRow", "FinderReport", "markdown"]


@dataclass(frozen=True)
class ConditionRow:
    """What one detector did in one condition; shares in percent, eyes in percent of their distance.

    Attributes:
        condition: of the pictures.
        detector: its name.
        faces: how many there were.
        recall: share that was found, at an IoU of 0.5.
        false: places without a face that were taken for one.
        eyes_mean: mean error of both eyes; None from detectors that give none.
        eyes_p95: error that 95 % of the found faces stay below.
    """

    condition: str
    detector: str
    faces: int
    recall: float
    false: int
    eyes_mean: float | None
    eyes_p95: float | None


@dataclass(frozen=True)
class FacelessRow:
    """False faces of one detector in pictures without any."""

    kind: str
    detector: str
    pictures: int
    false: int


@dataclass(frozen=True)
class FinderReport(MeasuredUnderLoad):
    """Everything that was measured.

    Attributes:
        part: of the photographs: `held_out` or `validation`.
        finder: name of the finder's folder.
        conditions: composites.
        faceless: pictures without faces.
        search_ms: median time of a search in a 640 x 480 picture, by picture and detector.
    """

    part: str
    finder: str
    conditions: list[ConditionRow]
    faceless: list[FacelessRow]
    search_ms: dict[str, dict[str, float]]


def markdown(report: FinderReport) -> str:
    """The report as text."""
    detectors = list(dict.fromkeys(row.detector for row in report.conditions))
    names = list(dict.fromkeys(row.condition for row in report.conditions))
    found = {(row.condition, row.detector): row for row in report.conditions}
    seeing = [each for each in detectors if any(found[name, each].eyes_mean is not None for name in names)]
    kinds = list(dict.fromkeys(row.kind for row in report.faceless))
    false = {(row.kind, row.detector): row for row in report.faceless}
    pictures = [sum(false[kind, each].pictures for kind in kinds) for each in detectors[:-1]]
    total = [sum(false[kind, each].false for kind in kinds) for each in detectors[:-1]]
    return page(
        [
            "# Face detectors",
            markdown_table(
                ("what", "value"), report.setting(("part of the photographs", report.part), ("finder", report.finder))
            ),
            "Composites of 640 x 480 pixels with a fixed seed: faces of people and backgrounds that no finder is "
            "trained on, pasted along head shapes; the truth is the pasted face's own label. All detectors see the "
            "same picture; the number behind a name is the longer side at which it searches. The constant box has the "
            "median size, in the middle.",
            "## Faces found, % at an IoU of 0.5",
            markdown_table(
                ("condition", "faces", *detectors),
                [
                    (
                        name,
                        str(found[name, detectors[0]].faces),
                        *(f"{found[name, each].recall:.1f}" for each in detectors),
                    )
                    for name in names
                ],
            ),
            "## Error of the eyes, % of their distance: mean, and 95 % of faces below",
            markdown_table(
                ("condition", *seeing),
                [(name, *(_eyes(found[name, each]) for each in seeing)) for name in names],
            ),
            "## False faces in pictures without any",
            markdown_table(
                ("pictures", *detectors[:-1]),
                [
                    *(
                        (kind, *(f"{false[kind, d].false} of {false[kind, d].pictures}" for d in detectors[:-1]))
                        for kind in kinds
                    ),
                    ("all", *(f"{100 * t / max(1, n):.2f} in 100" for t, n in zip(total, pictures, strict=True))),
                ],
            ),
            "## One search, milliseconds on one thread, median, in turns",
            markdown_table(
                ("picture", *next(iter(report.search_ms.values()))),
                [(name, *map(figure, times.values())) for name, times in report.search_ms.items()],
            ),
        ]
    )


def _eyes(row: ConditionRow) -> str:
    return "-" if row.eyes_mean is None else f"{row.eyes_mean:.1f}, {figure(row.eyes_p95)}"


def _false(row: FacelessRow) -> str:
    return f"{row.false} of {row.pictures}"
