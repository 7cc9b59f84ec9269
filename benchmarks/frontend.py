"""What the front end costs, part by part: `python -m benchmarks.frontend`."""

from __future__ import annotations

import os

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in emostream, and before anything loads NumPy

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import typer

from benchmarks.command import run_command, shown_command
from benchmarks.frontend_cost import HEIGHT, PER_SECOND, WIDTH, ClipCost, clip_cost, warm_up
from benchmarks.machine import Machine, MeasuredUnderLoad, load_average
from benchmarks.material import actor_clip
from benchmarks.real import REAL_CLIPS, VIDEO_SUFFIXES
from benchmarks.tables import Summary, figure, markdown_table, page, shown_path, today, write_report
from emostream.engines.errors import ConfigError

__all__ = ["FrontendReport", "main", "markdown", "measure"]

_HELP = """Measure the front end of emostream: the milliseconds that each of its parts takes.

Finding, following and aligning the face, for each frame; log-Mel with deltas and the cut, for each segment; voice
activity, for each chunk of 32 ms. Frames are resized to 640 pixels wide, without bars, and the middle 480 rows are
kept of those that are higher. Without --clip the real recordings in ../shared/data/clips are taken if there are any,
else the synthetic actor is drawn and voiced. Writes NAME.md and NAME.json.

Everything is called from one thread; OpenCV and, unless OPENBLAS_NUM_THREADS says otherwise, NumPy have one each, as
in emostream.
"""

_MS_HEAD = ("count", "mean", "median", "p99", "max")
_VIDEO = {"vision": "all of a frame", "search": "search", "follow": "follow"}
_OTHERS = {"mel": "log-Mel and deltas, a segment", "voice": "voice activity, a chunk", "cut": "cut, a segment"}


@dataclass(frozen=True)
class FrontendReport(MeasuredUnderLoad):
    """All clips, and what they were measured on."""

    clips: list[ClipCost]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _frontend(
    clip: Annotated[list[Path] | None, typer.Option(help="A recording; may be given several times.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="Length of the actor's clip.")] = 20.0,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str, typer.Option(help="Name of the report's files.")] = "frontend",
) -> None:
    for missing in (each for each in clip or () if not each.is_file()):
        raise ConfigError(f"clip {missing} does not exist; expected a recording")
    real = sorted(each for each in REAL_CLIPS.glob("*") if each.suffix in VIDEO_SUFFIXES)
    options = [part for each in clip or () for part in ("--clip", shown_path(each))]
    options += [] if clip or real else ["--seconds", f"{seconds:g}"]
    result = measure(
        clip or real or [actor_clip(seconds)],
        command=shown_command("frontend", options),
    )
    write_report(output, name, result, markdown(result))


def measure(clips: list[Path], *, command: str) -> FrontendReport:
    """Measure every clip, one after the other, in this thread.

    Args:
        clips: recordings.
        command: what the report says was run.

    Raises:
        SourceError: a clip can't be read.
    """
    cv2.setNumThreads(1)
    load, date = load_average(), today()
    costs = []
    for clip in clips:
        print(f"measuring {clip.name} ...", flush=True)
        warm_up()
        costs.append(clip_cost(clip))
    return FrontendReport("frontend", date, command, Machine.this(), load, costs)


def markdown(report: FrontendReport) -> str:
    """The report as text."""
    rates = ", ".join(f"{rate:.4g} of {part}" for part, rate in PER_SECOND.items())
    parts = [
        "# Front end",
        markdown_table(("what", "value"), report.setting(("threads of OpenCV", "1"))),
        "## Video, milliseconds",
        "Viola-Jones, the tracker and the alignment; decoding and resizing are not in it. Frames are resized to "
        f"{WIDTH} pixels wide, without bars, and the middle {HEIGHT} rows are kept of those that are higher. A "
        "*search* looks at the whole frame while there is no face, a *follow* near the last place of one.",
        markdown_table(("clip", "part", *_MS_HEAD), _rows(report, _VIDEO)),
        "Shares of all frames with a face, and of those in which both eyes were found too:",
        markdown_table(("clip", "length", "original", "measured", "frames", "face", "eyes"), _pictures(report)),
        "## Sound and segments, milliseconds",
        "Log-Mel for every segment, voiced or not; voice activity for every chunk of 32 ms; the cut with log-Mel where "
        "the segment is voiced, and with its clip where it has a face.",
        markdown_table(("clip", "part", *_MS_HEAD), _rows(report, _OTHERS)),
        "## One second of stream",
        f"At the means above: {rates}.",
        markdown_table(
            ("clip", "milliseconds", "of one core"),
            [(c.clip.name, figure(c.second_ms), f"{c.second_ms / 10:.1f} %") for c in report.clips],
        ),
    ]
    return page(parts)


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "frontend")


def _rows(report: FrontendReport, names: dict[str, str]) -> list[tuple[str, ...]]:
    """A row for each part of each clip that has it."""
    return [
        (cost.clip.name, name, *_milliseconds(cost.parts_ms[part]))
        for cost in report.clips
        for part, name in names.items()
        if part in cost.parts_ms
    ]


def _pictures(report: FrontendReport) -> list[tuple[str, ...]]:
    return [
        (
            cost.clip.name,
            f"{cost.clip.seconds:.1f} s",
            _size(cost.clip.frame_size),
            _size(cost.measured_size),
            str(cost.clip.frames),
            _percent(cost.face_share),
            _percent(cost.eyes_share),
        )
        for cost in report.clips
    ]


def _milliseconds(summary: Summary) -> tuple[str, ...]:
    return (str(summary.count), *map(figure, (summary.mean, summary.p50, summary.p99, summary.max)))


def _size(size: tuple[int, int] | None) -> str:
    return "-" if size is None else f"{size[0]} x {size[1]}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
