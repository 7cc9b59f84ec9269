"""How right the starter is, measured again from its recipe: `python -m benchmarks.accuracy`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.accuracy_plot import plot
from benchmarks.accuracy_report import AccuracyReport, markdown
from benchmarks.calm import clip_calm
from benchmarks.command import run_command, shown_command
from benchmarks.machine import Machine
from benchmarks.real import REAL_CLIPS, REAL_DATA, VIDEO_SUFFIXES
from benchmarks.tables import shown_path, today, write_report
from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError, EmostreamError
from emostream.engines.starter import STARTER
from emostream.trainer.starter.measure import FINDINGS

__all__ = ["main", "measure"]

_HELP = """Measure how right the starter is, from the recipe that it was trained by.

Trains the starter from RAVDESS and FER2013, with every group of actors left out in turn, unless --work holds it
finished, and takes the figures of that training. Then runs emostream with the shipped bundle, or --bundle, over the
clips, and counts how often it changes its mind. Writes NAME.md, NAME.json and NAME.png.
"""

_RECIPE = ("content", "recipe", "seed")  # what of a manifest's training two bundles share that are the same but in bits

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _accuracy(
    voices: Annotated[Path, typer.Option(help="Folder of RAVDESS's speech.")] = REAL_DATA / "ravdess_speech",
    faces: Annotated[Path, typer.Option(help="File of FER2013.")] = REAL_DATA / "fer2013.npz",
    clips: Annotated[Path, typer.Option(help="Folder of real clips.")] = REAL_CLIPS,
    bundle: Annotated[Path, typer.Option(help="The bundle that the clips are shown to.")] = STARTER,
    work: Annotated[Path, typer.Option(help="Folder of the training; goes on where it was.")] = Path("build/starter"),
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str, typer.Option(help="Name of the report's files.")] = "accuracy",
) -> None:
    for missing in (each for each in (voices, clips) if not each.is_dir()):
        raise ConfigError(f"{missing} is no folder; name your copy: see --help")
    result = measure(voices, faces, clips, bundle, work)
    write_report(output, name, result, markdown(result, f"{name}.png"), partial(plot, result))


def measure(voices: Path, faces: Path, clips: Path, bundle: Path, work: Path) -> AccuracyReport:
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
    fresh = work / "bundle"
    shutil.rmtree(fresh, ignore_errors=True)  # quickly made again of what is finished
    command = [sys.executable, "-m", "emostream.trainer", "starter", str(voices), str(faces), str(fresh)]
    if code := subprocess.run([*command, "--work", str(work / "parts")], check=False).returncode:
        raise EmostreamError(f"emostream-train starter ended with code {code}; it says why above")
    figures = json.loads((work / "parts" / FINDINGS).read_text(encoding="utf-8"))
    trained, shown = Bundle.load(fresh), Bundle.load(bundle)
    same = all(trained.manifest.training.get(key) == shown.manifest.training.get(key) for key in _RECIPE)
    options = [] if bundle == STARTER else ["--bundle", shown_path(bundle)]
    files = sorted(each for each in clips.iterdir() if each.suffix in VIDEO_SUFFIXES)
    return AccuracyReport(
        benchmark="accuracy",
        date=today(),
        command=shown_command("accuracy", options),
        machine=Machine.this(),
        bundle={"name": shown.manifest.name, "sha256": shown.sha256, "licence": shown.manifest.licence},
        same_recipe=same,
        labels=list(trained.manifest.labels),
        figures=figures,
        clips=[clip_calm(each, bundle) for each in files],
    )


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "accuracy")


if __name__ == "__main__":
    main()
