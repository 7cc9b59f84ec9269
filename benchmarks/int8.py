"""What INT8 costs the starter on real voices and faces, and gives on this processor: `python -m benchmarks.int8`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
import typer

from benchmarks.command import run_command, shown_command
from benchmarks.machine import Machine, Measured
from benchmarks.real import REAL_DATA
from benchmarks.tables import figure, markdown_table, shown_path, today, write_report
from emostream.engines.backends.openvino.int8_build import LEAST_UNCHANGED, MOST_RECALL_LOST, Example, build_int8
from emostream.engines.backends.openvino.int8_cache import Int8Cache, Int8Report
from emostream.engines.bundle import Bundle
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.offline import OfflineRecording
from emostream.engines.starter import STARTER
from emostream.trainer.datasets.base import Recording
from emostream.trainer.starter.faces import Split, read_faces
from emostream.trainer.starter.recipe import LABELS
from emostream.trainer.starter.voices import read_voices
from emostream.trainer.stills.pictures import Picture, still_clip

__all__ = ["Int8CostReport", "main", "markdown"]

_HELP = """Quantise the starter, or a bundle with its labels, and measure what that costs and gives.

Calibrates on half of RAVDESS's actors and on FER2013's public test, and decides on the other actors and on the private
test: single segments, and whole recordings for the recall. Keeps the networks for `--precision auto` as `emostream
engines build` does. Writes NAME.md and NAME.json.
"""

_CALIBRATING_FACES = 128


@dataclass(frozen=True)
class Int8CostReport(Measured):
    """What was found, and on what.

    Attributes:
        int8: what is known of the networks.
    """

    int8: Int8Report


@dataclass(frozen=True)
class _Still:
    """A picture as a segment with a face and no voice; its clip is made when it is wanted."""

    picture: Picture
    mel: None = None

    @property
    def clip(self) -> npt.NDArray[np.uint8]:
        return still_clip(self.picture)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _int8(
    voices: Annotated[Path, typer.Option(help="Folder of RAVDESS's speech.")] = REAL_DATA / "ravdess_speech",
    faces: Annotated[Path, typer.Option(help="File of FER2013.")] = REAL_DATA / "fer2013.npz",
    bundle: Annotated[Path, typer.Option(help="A bundle with the starter's labels.")] = STARTER,
    every: Annotated[int, typer.Option(min=1, help="Take one of so many recordings and pictures.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str | None, typer.Option(help="Name of the report's files; int8-PRESET if not given.")] = None,
) -> None:
    loaded = Bundle.load(bundle)
    options = [] if bundle == STARTER else ["--bundle", shown_path(bundle)]
    options += [] if every == 2 else ["--every", str(every)]
    recordings = sorted(read_voices(voices).recordings, key=lambda each: each.path.name)
    actors = sorted({each.subject for each in recordings})
    with tempfile.TemporaryDirectory() as folder:
        read = read_faces(faces, Path(folder))
    calibrating = [*_stills(read.public, len(read.public.pictures) // _CALIBRATING_FACES)]
    calibrating += _voices([each for each in recordings if each.subject in actors[::2]][:: 4 * every])
    held_out = [*_stills(read.private.only(~read.private.copies), every)]
    held_out += _voices([each for each in recordings if each.subject in actors[1::2]][::every])
    made = build_int8(loaded, calibrating, held_out, Int8Cache(), lambda what: print(f"{what} ...", flush=True))
    result = Int8CostReport(
        benchmark="int8",
        date=today(),
        command=shown_command("int8", options),
        machine=Machine.this(),
        int8=made.report,
    )
    name = name or f"int8-{loaded.manifest.preset}"
    plain = replace(result, int8=msgspec.to_builtins(made.report))
    write_report(output, name, plain, markdown(result))


def markdown(result: Int8CostReport) -> str:
    """The report as a page."""
    found = result.int8
    before, after = found.milliseconds
    taken = f"does not take it: {found.refused}" if found.refused else "takes it"
    lines = [
        *result.head(f"INT8 on this processor, {found.bundle}"),
        f"A segment with voice and face takes {figure(after)} ms in INT8 and {figure(before)} ms in {found.before}: "
        f"**{found.speed:.2f} times as fast** (medians of alternating runs, batch 1). `--precision auto` {taken}.",
        markdown_table(("network", "quantised"), [*found.forms.items(), ("fusion", f"nothing: {found.before}")]),
        f"Calibrated by NNCF {found.versions['nncf']} on {found.calibrated_on} recordings and pictures, and decided on "
        "others. The starter's voice network knows all actors, so that its recall here says what INT8 changes, not how "
        f"good it is. At least {LEAST_UNCHANGED:.0%} of decisions have to stay, and no head may lose more than "
        f"{100 * MOST_RECALL_LOST:.1f} points of recall.",
        markdown_table(
            ("head", "single segments", "decisions changed", "recordings", f"recall in {found.before}", "in INT8"),
            [
                (
                    head,
                    str(cost.segments),
                    f"{cost.changed} ({100 * cost.changed / cost.segments:.2f} %)",
                    str(cost.recordings),
                    _percent(cost.recall),
                    _percent(cost.recall_int8),
                )
                for head, cost in found.heads.items()
            ],
        ),
    ]
    return "\n\n".join(lines) + "\n"


def _stills(split: Split, every: int) -> Iterator[Example]:
    for picture, label in list(zip(split.pictures, split.labels.tolist(), strict=True))[:: max(every, 1)]:
        yield Example([_Still(picture)], LABELS[label])


def _voices(recordings: list[Recording]) -> Iterator[Example]:
    for each in recordings:
        with OfflineRecording(str(each.path), choose_detector().make()) as recording:
            yield Example([segment for segment in recording if segment.mel is not None], each.label)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100.0 * share:.1f} %"


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "int8")


if __name__ == "__main__":
    main()
