"""The same networks side by side, on this processor: `python -m benchmarks.compare`."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import cv2.data
import numpy as np
import numpy.typing as npt
import torch
import typer

from benchmarks.command import run_command, shown_command
from benchmarks.machine import Machine, Measured
from benchmarks.material import actor_clip, untrained_bundle
from benchmarks.tables import figure, markdown_table, today, write_report
from emostream.engines.backends.onnxruntime import OnnxRuntimeEngine
from emostream.engines.backends.openvino.engine import OpenVinoEngine, cpu_has_bf16
from emostream.engines.backends.openvino.quantize import FORMS, save_int8
from emostream.engines.bundle import Bundle
from emostream.engines.engine import Batch, Engine
from emostream.engines.errors import EmostreamError, EngineError
from emostream.engines.frontend.detectors.choose import choose_detector
from emostream.engines.frontend.face import FaceTracker
from emostream.engines.frontend.segmenter import Segment
from emostream.engines.media.track import VideoTrack
from emostream.engines.offline import OfflineRecording
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole
from emostream.trainer.networks.presets import PRESETS
from emostream.trainer.networks.untrained import untrained_graphs

__all__ = ["ComparisonReport", "Cost", "compare", "main", "markdown"]

_HELP = """Compare what a research script would do with what emostream does: the same clip, the same networks, one run.

Networks: all three on one segment with voice and face, in PyTorch as it comes, in ONNX Runtime, and in OpenVINO in
every precision that this processor has. Faces: every frame searched whole, as a script does, and followed. The ways
take turns, since machines are shared, and ratios are what counts. Writes NAME.md and NAME.json.
"""

_CLASSES = 7
_FRAMES, _FEW = 60, 10
_CASCADES = ("frontalface_default", "eye")

_FER = """
import sys
import numpy
from fer.fer import FER
images, detector = numpy.load(sys.argv[1]), FER()
for _ in sys.stdin:
    for image in images:
        detector.detect_emotions(image)
    print("done", flush=True)
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Cost:
    """What one way takes.

    Attributes:
        way: its name.
        milliseconds: of one segment or frame, median of its runs; None where it can't run.
        ratio: how many times as fast as the first way; None where either can't run.
        reason: why it can't run.
    """

    way: str
    milliseconds: float | None
    ratio: float | None
    reason: str = ""


@dataclass(frozen=True)
class ComparisonReport(Measured):
    """What was found, and on what.

    Attributes:
        preset: of the networks.
        networks: all three on one segment.
        faces: finding the face in one frame, on average over the clip.
    """

    preset: str
    networks: list[Cost]
    faces: list[Cost]


Way = Callable[[], int]
"""Does some segments or frames; how many."""

Opened = Callable[[ExitStack], Way]
"""Makes a way ready; what it holds is let go with the stack. Raises what stands in its way."""


@app.command(help=_HELP)
def _compare(
    preset: Annotated[str, typer.Option(metavar="|".join(PRESETS), help="Size of the networks.")] = "paper",
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each way.")] = 15,
    fer: Annotated[Path | None, typer.Option(metavar="PYTHON", help="One that has the package fer installed.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("benchmarks/results"),
    name: Annotated[str | None, typer.Option(help="Name of the report's files; compare-PRESET if not given.")] = None,
) -> None:
    bundle = Bundle.load(untrained_bundle(preset))
    clip = actor_clip(6.0)
    segment, examples = _segments(clip)
    options = ["--preset", preset] + ([] if rounds == 15 else ["--rounds", str(rounds)])
    options += ["--fer", "PYTHON"] if fer else []
    result = ComparisonReport(
        benchmark="compare",
        date=today(),
        command=shown_command("compare", options),
        machine=Machine.this(),
        preset=preset,
        networks=compare(_network_ways(bundle, preset, segment, examples), rounds),
        faces=compare(_face_ways(clip, fer), max(1, rounds // 5)),
    )
    name = name or f"compare-{preset}"
    write_report(output, name, result, markdown(result))


def compare(ways: dict[str, Opened], rounds: int) -> list[Cost]:
    """Run some ways in turns.

    Args:
        ways: by name; the others are compared with the first.
        rounds: runs of each, after one that is not timed.
    """
    ready: dict[str, Way] = {}
    reasons: dict[str, str] = {}
    times: dict[str, list[float]] = {name: [] for name in ways}
    with ExitStack() as stack:
        for name, opened in ways.items():
            way = _ready(opened, stack)
            if isinstance(way, str):
                reasons[name] = way
            else:
                ready[name] = way
        for _ in range(rounds):
            for name, way in ready.items():
                begun = time.perf_counter()
                done = way()
                times[name].append(1e3 * (time.perf_counter() - begun) / done)
    medians = {name: statistics.median(own) if own else None for name, own in times.items()}
    first = next(iter(medians.values()))
    return [
        Cost(name, own, first / own if first and own else None, reasons.get(name, "")) for name, own in medians.items()
    ]


def _ready(opened: Opened, stack: ExitStack) -> Way | str:
    """A way that has run once, or why it can't."""
    try:
        way = opened(stack)
        way()
    except (EmostreamError, ImportError) as error:
        return str(error)
    return way


def markdown(result: ComparisonReport) -> str:
    """The report as a page."""
    lines = [
        *result.head(f"The same networks side by side, `{result.preset}`"),
        "Medians of runs that took turns; ratios are to the first row. Random weights, a clip of the synthetic actor.",
        "## All three networks on one segment",
        markdown_table(("way", "ms", "times as fast"), _rows(result.networks)),
        "## Finding the face in a frame of 640 x 480",
        "Decoding is not in it.",
        markdown_table(("way", "ms", "times as fast"), _rows(result.faces)),
    ]
    return "\n\n".join(lines) + "\n"


def _rows(costs: list[Cost]) -> Iterator[tuple[str, str, str]]:
    for each in costs:
        yield each.way, figure(each.milliseconds) if each.milliseconds else each.reason, figure(each.ratio)


def _segments(clip: Path) -> tuple[Segment, list[Segment]]:
    """A segment with voice and face, and some to calibrate INT8 on."""
    with OfflineRecording(str(clip), choose_detector().make()) as recording:
        both = [each for each in recording if each.mel is not None and each.clip is not None]
    return both[0], both


def _network_ways(bundle: Bundle, preset: str, segment: Segment, examples: list[Segment]) -> dict[str, Opened]:
    assert segment.mel is not None
    batch = Batch(segment.mel[None], np.asarray(segment.clip)[None], ((0, 0),))
    ways: dict[str, Opened] = {
        "PyTorch eager, fp32": lambda _: _pytorch(preset, batch, half=False),
        "PyTorch eager, bf16": lambda _: _pytorch(preset, batch, half=True),
        "ONNX Runtime, fp32": lambda stack: _on(OnnxRuntimeEngine(bundle, cuda=False), batch, stack),
        "OpenVINO, fp32": lambda stack: _on(OpenVinoEngine(bundle, "fp32", files={}), batch, stack),
        "OpenVINO, bf16": lambda stack: _on(OpenVinoEngine(bundle, "bf16", files={}), batch, stack),
        "OpenVINO, int8": lambda stack: _on(_quantised(bundle, examples, stack), batch, stack),
    }
    if not cpu_has_bf16():
        del ways["PyTorch eager, bf16"]
    return ways


def _on(engine: Engine, batch: Batch, stack: ExitStack) -> Way:
    loaded = stack.enter_context(engine)
    return lambda: len(loaded.embed(batch).fused)


def _pytorch(preset: str, batch: Batch, *, half: bool) -> Way:
    graphs = {graph.role: graph.eval() for graph in untrained_graphs(PRESETS[preset], _CLASSES, 0)}
    mel, clip = torch.from_numpy(batch.mel), torch.from_numpy(batch.clip)
    kind = torch.bfloat16 if half else torch.float32

    @torch.inference_mode()
    def run() -> int:
        with torch.autocast("cpu", dtype=kind, enabled=half):
            return len(graphs["fusion"](graphs["audio"](mel).float(), graphs["video"](clip).float()))

    return run


def _quantised(bundle: Bundle, examples: list[Segment], stack: ExitStack) -> Engine:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    files: dict[NetworkRole, Path] = {}
    for role in NETWORK_ROLES[:2]:
        inputs = [np.asarray(each.mel if role == "audio" else each.clip)[None] for each in examples]
        files[role] = _first_that_runs(bundle, role, inputs, folder / f"{role}.xml")
    return OpenVinoEngine(bundle, files=files)


def _first_that_runs(bundle: Bundle, role: NetworkRole, inputs: list[npt.NDArray[Any]], out: Path) -> Path:
    """The INT8 form of a network with the most in INT8 that OpenVINO runs."""
    for form in FORMS:
        with (
            suppress(EngineError),
            OpenVinoEngine(bundle, files={role: save_int8(bundle.network_file(role), inputs, form, out)}),
        ):
            return out
    raise EngineError(f"OpenVINO runs no INT8 form of the {role} network")


def _face_ways(clip: Path, fer: Path | None) -> dict[str, Opened]:
    with VideoTrack(str(clip)) as video:
        frames = [(frame.t, frame.image) for frame in video][:_FRAMES]

    def whole(_: ExitStack) -> Way:
        faces, eyes = (cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{kind}.xml") for kind in _CASCADES)

        def run() -> int:
            for _, image in frames:
                grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
                for x, y, width, height in faces.detectMultiScale(grey, 1.1, 5):
                    eyes.detectMultiScale(grey[y : y + height, x : x + width])
            return len(frames)

        return run

    def followed(_: ExitStack) -> Way:
        def run() -> int:
            tracker = FaceTracker(choose_detector().make())
            return sum(tracker.update(t, image).size[0] > 0 for t, image in frames)

        return run

    return {
        "every frame searched whole for faces and eyes, Viola-Jones": whole,
        "followed and aligned, as emostream does": followed,
        "the package `fer`: every frame searched, and a network for each face": lambda stack: _package(
            fer, [image for _, image in frames[:_FEW]], stack
        ),
    }


def _package(python: Path | None, images: list[npt.NDArray[np.uint8]], stack: ExitStack) -> Way:
    """The package in an interpreter of its own, for it wants other versions of nearly everything."""
    if python is None:
        raise EngineError("name a Python that has it with --fer")
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "frames.npy"
    np.save(file, np.stack(images))
    pipe, silent = subprocess.PIPE, subprocess.DEVNULL
    command = [str(python), "-c", _FER, str(file)]
    process = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silent, text=True))
    stack.callback(process.kill)
    assert process.stdin is not None
    assert process.stdout is not None
    given, answers = process.stdin, process.stdout

    def run() -> int:
        given.write("\n")
        given.flush()
        if not any(line.strip() == "done" for line in iter(answers.readline, "")):
            raise EngineError(f"{python} ended; does `{python} -c 'from fer.fer import FER'` work?")
        return len(images)

    return run


def main() -> None:
    """Run the command; a failure prints one line, with exit code 1."""
    run_command(app, "compare")


if __name__ == "__main__":
    main()
