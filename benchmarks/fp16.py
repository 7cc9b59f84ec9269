"""What FP16 costs a bundle on real segments: `python -m benchmarks.fp16`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.command import run_command, shown_command
from benchmarks.machine import Machine, Measured
from benchmarks.real import REAL_CLIPS, VIDEO_SUFFIXES
from benchmarks.tables import markdown_table, shown_path, today, write_report
from emostream.engines.backends.tensorrt.numerics import HEADROOM, Numerics, examine
from emostream.engines.bundle import Bundle
from emostream.engines.errors import ConfigError
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.offline import OfflineRecording
from emostream.engines.starter import STARTER

__all__ = ["Fp16Report", "main", "markdown", "measure"]

_HELP = """Measure what FP16 costs a bundle: the FP16 graphs that TensorRT gets, against float32, on ONNX Runtime's CPU.

Cuts every recording in a folder, in its subfolders too, into segments, and compares the embeddings and the decisions of
single segments. ONNX Runtime rounds to FP16 and computes much in float32, so that an overflow would not show: for that
the largest activation of the float32 networks is searched. Writes NAME.md and NAME.json.
"""

_SUFFIXES = VIDEO_SUFFIXES | {".flac", ".wav"}


@dataclass(frozen=True)
class Fp16Report(Measured):
    """What was found, and on what.

    Attributes:
        bundle: its name, preset, SHA-256, and whether it is trained.
        recordings: that the segments are from.
        segments: with a voice or a face.
        numerics: of the networks and heads.
    """

    bundle: dict[str, str]
    recordings: int
    segments: int
    numerics: Numerics


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def _fp16(
    bundle: Annotated[Path, typer.Option(help="A bundle.")] = STARTER,
    clips: Annotated[Path, typer.Option(help="Folder of real recordings.")] = REAL_CLIPS,
    every: Annotated[int, typer.Option(min=1, help="Take one of so many recordings.")] = 1,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str | None, typer.Option(help="Name of the report's files; fp16-PRESET if not given.")] = None,
) -> None:
    files = sorted(each for each in clips.rglob("*") if each.suffix in _SUFFIXES)[::every]
    if not files:
        raise ConfigError(f"{clips} holds no recordings; name a folder of yours with --clips")
    options = [] if bundle == STARTER else ["--bundle", shown_path(bundle)]
    options += [] if clips == REAL_CLIPS else ["--clips", shown_path(clips)]
    options += [] if every == 1 else ["--every", str(every)]
    result = measure(bundle, files, shown_command("fp16", options))
    name = name or f"fp16-{result.bundle['preset']}"
    write_report(output, name, result, markdown(result))


def measure(bundle: Path, files: list[Path], command: str) -> Fp16Report:
    """Compare a bundle's FP16 graphs with its float32 ones on the segments of some recordings.

    Args:
        bundle: folder or .zip.
        files: recordings; one that is silent and shows no face gives no segment.
        command: that asked for it.

    Raises:
        EmostreamError: something can't be read or run.
    """
    loaded = Bundle.load(bundle)
    segments: list[Segment] = []
    for file in files:
        with OfflineRecording(str(file), choose_detector().make()) as recording:
            segments += [each for each in recording if each.mel is not None or each.clip is not None]
    if not segments:
        raise ConfigError("no segment of the recordings has a voice or a face; name others with --clips")
    manifest = loaded.manifest
    return Fp16Report(
        benchmark="fp16",
        date=today(),
        command=command,
        machine=Machine.this(),
        bundle={
            "name": manifest.name,
            "preset": manifest.preset,
            "sha256": loaded.sha256,
            "trained": "trained" if manifest.trained else "untrained",
        },
        recordings=len(files),
        segments=len(segments),
        numerics=examine(loaded, segments),
    )


def markdown(result: Fp16Report) -> str:
    """The report as a page."""
    found, bundle = result.numerics, result.bundle
    lines = [
        *result.head(f"FP16 against float32, {bundle['name']}"),
        f"Bundle {bundle['name']} ({bundle['preset']}, {bundle['trained']}), manifest SHA-256 {bundle['sha256'][:16]}; "
        f"{result.segments} segments of {result.recordings} recordings that have a voice or a face. ONNX Runtime on "
        "the CPU rounds what it stores to FP16 and computes much in float32.",
        "## Embeddings and range",
        "Error: norm of the difference over the norm in float32, for each segment. Headroom: 65504 over the largest "
        f"activation of the float32 network; at least {HEADROOM:.0f} is asked.",
        markdown_table(
            ("network", "segments", "median error", "largest error", "largest activation", "in", "headroom"),
            [
                (
                    role,
                    str(each.segments),
                    f"{100 * each.median_error:.3f} %",
                    f"{100 * each.largest_error:.3f} %",
                    f"{each.largest:.4g}",
                    f"`{each.tensor}`",
                    f"{each.headroom:.0f}",
                )
                for role, each in found.networks.items()
            ],
        ),
        "## Decisions",
        "Labels of single segments that are others in FP16."
        + ("" if bundle["trained"] == "trained" else " The bundle is untrained, so its labels mean nothing."),
        markdown_table(
            ("head", "segments", "changed"),
            [(head, str(each.segments), str(each.changed)) for head, each in found.decisions.items()],
        ),
    ]
    return "\n\n".join(lines) + "\n"


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "fp16")


if __name__ == "__main__":
    main()
