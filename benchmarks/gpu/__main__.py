"""The command `python -m benchmarks.gpu`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.command import shown_command
from benchmarks.tables import today, write_text
from emostream.engines.errors import ConfigError, EmostreamError
from emostream.trainer.networks.presets import PRESETS

if TYPE_CHECKING:
    from benchmarks.gpu.report import GpuReport

__all__ = ["main"]

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_PROG = "python -m benchmarks.gpu"
_HELP = """Time the three networks of a preset, alone and one after the other, on the first GPU: TensorRT FP16 beside
what people would otherwise run. Writes gpu-PRESET.md, .csv and .png. Needs PyTorch and a checkout; the rows of ONNX
Runtime and TensorRT also need emostream, installed with that package, and say so where it is missing."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    parser = argparse.ArgumentParser(prog=_PROG, description=_HELP)
    parser.add_argument("--preset", choices=PRESETS, action="append", help="both if not given")
    parser.add_argument("--batch", type=int, action="append", help=f"{', '.join(map(str, _BATCHES))} if not given")
    parser.add_argument("--way", action="append", help="such as tensorrt-fp16; all if not given")
    parser.add_argument("--runs", type=int, default=200, help="timed runs of each (default: 200)")
    parser.add_argument("--warm-up", type=int, default=20, help="runs before those (default: 20)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder for the reports")
    asked = parser.parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    try:
        for preset in asked.preset or ("compact", "paper"):
            _write(_measured(preset, asked, shown_command("gpu", _shown(words))), asked.output)
    except EmostreamError as error:
        sys.exit(f"benchmarks.gpu: error: {error}")


def _measured(preset: str, asked: argparse.Namespace, command: str) -> GpuReport:
    try:
        import torch
    except ModuleNotFoundError:
        raise ConfigError("PyTorch is not installed; `pip install torch` brings it") from None
    from benchmarks.gpu.device import Device
    from benchmarks.gpu.measure import Row, measure
    from benchmarks.gpu.networks import NAMES, Subject, work_of
    from benchmarks.gpu.report import GpuReport
    from benchmarks.gpu.timing import measure_floors, time_runs
    from benchmarks.gpu.ways import WAYS

    keys = [way.key for way in WAYS]
    if unknown := [key for key in asked.way or () if key not in keys]:
        raise ConfigError(f"--way {unknown[0]} is unknown; choose {', '.join(keys)}")
    batches = sorted(set(asked.batch or _BATCHES))
    for option, value in (("--batch", batches[0]), ("--runs", asked.runs)):
        if value < 1:
            raise ConfigError(f"{option} is {value}; expected 1 or more")
    if not torch.cuda.is_available():
        raise ConfigError(f"PyTorch {torch.__version__} finds no GPU; this benchmark needs one of NVIDIA's")
    device, floors = Device.this(), measure_floors()
    subjects = [Subject(name, preset) for name in NAMES]
    ways = [way for way in WAYS if not asked.way or way.key in asked.way]
    rows: list[Row] = []
    with torch.no_grad():
        for row in measure(ways, subjects, batches, lambda run: time_runs(run, warm_up=asked.warm_up, runs=asked.runs)):
            rows.append(row)
            told = row.reason or f"{row.median_ms:.3f} ms, p99 {row.p99_ms:.3f} ms"
            print(f"{preset} {row.network} {row.way} x {row.batch}: {told}", file=sys.stderr, flush=True)
    return GpuReport(preset, today(), command, device, floors, {each.name: work_of(each) for each in subjects}, rows)


def _write(report: GpuReport, folder: Path) -> None:
    """Tables, CSV, and the picture where there is something to draw it with."""
    from benchmarks.gpu.report import csv_text, markdown

    place = folder / f"gpu-{report.preset}"
    text = markdown(report)
    write_text(place.with_suffix(".md"), text)
    write_text(place.with_suffix(".csv"), csv_text(report))
    print(text)
    try:
        from benchmarks.gpu.plot import plot

        plot(report, place.with_suffix(".png"))
    except ConfigError as error:
        print(f"no picture: {error}", file=sys.stderr)
    print(f"written: {place}.md, .csv")


def _shown(words: list[str]) -> list[str]:
    """The options without the folder, which may name this machine's."""
    kept, skip = [], False
    for word in words:
        if not skip and not word.startswith("--output"):
            kept.append(word)
        skip = word == "--output"
    return kept


if __name__ == "__main__":
    main()
