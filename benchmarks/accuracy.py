"""How right the starter is, measured again from its recipe: `python -m benchmarks.accuracy`."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.accuracy_plot import plot
from benchmarks.accuracy_report import markdown
from benchmarks.calm import ClipCalm, clip_calm
from benchmarks.machine import Machine
from benchmarks.tables import shown_path, today, write_json, write_text
from engines.bundle import Bundle
from engines.errors import ConfigError, EmostreamError
from engines.starter import STARTER

__all__ = ["Report", "main", "measure"]

_HELP = """Measure how right the starter is, from the recipe that it was trained by.

Trains the starter from RAVDESS and FER2013, with every group of actors left out in turn, unless --work holds it
finished, and takes the figures of that training. Then runs emostream with the shipped bundle, or --bundle, over the
clips, and counts how often it changes its mind. Writes NAME.md, NAME.json and NAME.png.
"""

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_SUFFIXES = {".avi", ".mkv", ".mov", ".mp4", ".webm"}
_FINDINGS = "findings.json"


@dataclass(frozen=True)
class Report:
    """The figures, and what they were measured on.

    Attributes:
        benchmark: its name.
        date: of the measurement.
        command: that gave it.
        machine: that it ran on.
        bundle: name, hash and licence of the bundle that the clips were shown to.
        labels: the classes.
        figures: of the three heads, as `emostream-train starter` finds them.
        clips: what was said of them.
    """

    benchmark: str
    date: str
    command: str
    machine: Machine
    bundle: dict[str, str]
    labels: list[str]
    figures: dict[str, Any]
    clips: list[ClipCalm]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _accuracy(
    voices: Annotated[Path, typer.Option(help="Folder of RAVDESS's speech.")] = _DATA / "ravdess_speech",
    faces: Annotated[Path, typer.Option(help="File of FER2013.")] = _DATA / "fer2013.npz",
    clips: Annotated[Path, typer.Option(help="Folder of real clips.")] = _DATA / "clips",
    bundle: Annotated[Path, typer.Option(help="The bundle that the clips are shown to.")] = STARTER,
    work: Annotated[Path, typer.Option(help="Folder of the training; goes on where it was.")] = Path("build/starter"),
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str, typer.Option(help="Name of the report's files.")] = "accuracy",
) -> None:
    for missing in (each for each in (voices, faces, clips) if not each.exists()):
        raise ConfigError(f"{missing} does not exist; name your copy: see --help")
    result = measure(voices, faces, clips, bundle, work)
    write_json(output / f"{name}.json", result)
    write_text(output / f"{name}.md", markdown(result, f"{name}.png"))
    plot(result, output / f"{name}.png")
    print(markdown(result, f"{name}.png"))
    print(f"written: {output / name}.md, .json, .png")


def measure(voices: Path, faces: Path, clips: Path, bundle: Path, work: Path) -> Report:
    """Train the starter as far as that isn't done, and show the clips to a bundle.

    Args:
        voices: folder of RAVDESS's speech.
        faces: file of FER2013.
        clips: folder of recordings.
        bundle: what the clips are shown to.
        work: folder of the training.

    Raises:
        EmostreamError: the training or emostream failed.
    """
    trained = work / "bundle"
    if not (trained / "manifest.json").is_file():
        command = [sys.executable, "-m", "trainer", "starter", str(voices), str(faces), str(trained)]
        if code := subprocess.run([*command, "--work", str(work / "work")], check=False).returncode:
            raise EmostreamError(f"emostream-train starter ended with code {code}; it says why above")
    figures = json.loads((work / "work" / _FINDINGS).read_text(encoding="utf-8"))
    shown = Bundle.load(bundle)
    files = sorted(each for each in clips.iterdir() if each.suffix in _SUFFIXES)
    return Report(
        benchmark="accuracy",
        date=today(),
        command=shlex.join(["python", "-m", "benchmarks.accuracy", *_options(bundle)]),
        machine=Machine.this(),
        bundle={"name": shown.manifest.name, "sha256": shown.sha256, "licence": shown.manifest.licence},
        labels=list(shown.manifest.labels),
        figures=figures,
        clips=[clip_calm(each, bundle) for each in files],
    )


def _options(bundle: Path) -> list[str]:
    return [] if bundle == STARTER else ["--bundle", shown_path(bundle)]


def main() -> None:
    """Run the benchmark; a failure prints one line."""
    try:
        app(standalone_mode=False)
    except EmostreamError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
