"""The GPU benchmark as far as a machine without a GPU shows it: its networks, its rows, its reports."""

from __future__ import annotations

import csv
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from benchmarks.gpu.__main__ import main  # noqa: E402
from benchmarks.gpu.device import Device  # noqa: E402
from benchmarks.gpu.measure import Row, measure  # noqa: E402
from benchmarks.gpu.networks import NAMES, Subject, work_of  # noqa: E402
from benchmarks.gpu.plot import plot  # noqa: E402
from benchmarks.gpu.report import SEGMENTS_PER_S, GpuReport, csv_text, markdown  # noqa: E402
from benchmarks.gpu.timing import AtBatch, Floors, Run  # noqa: E402
from benchmarks.gpu.ways import WAYS, Way  # noqa: E402

BLOCKED = (
    "numpy",
    "msgspec",
    "typer",
    "psutil",
    "cv2",
    "onnx",
    "onnxruntime",
    "openvino",
    "matplotlib",
    "platformdirs",
)


def test_the_work_is_that_of_the_published_networks() -> None:
    video, audio = work_of(Subject("video", "paper", "cpu")), work_of(Subject("audio", "paper", "cpu"))
    # C3D: 38.5 thousand million products a clip, less fc8; AlexNet in one column: 0.71 thousand million and 61 million
    # weights, less fc8's 4.1 million. Resizing comes to both.
    assert video.operations == pytest.approx(2 * 38.5e9, rel=0.03)
    assert audio.operations == pytest.approx(2 * 0.71e9, rel=0.06)
    assert audio.weight_bytes == pytest.approx(2 * (61.1e6 - 4.1e6), rel=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_fp16_gives_what_float32_gives(name: str) -> None:
    subject = Subject(name, "compact", "cpu")
    inputs = subject.inputs(2)
    full, half = (subject.module(half=each)(*inputs) for each in (False, True))
    assert half.dtype == torch.float32
    error = (full - half).norm(dim=1) / full.norm(dim=1)
    assert error.max() < 0.01
    assert not torch.equal(full, half)
    assert full.std() > 0


def test_inputs_are_noise() -> None:
    for name in NAMES:
        for tensor in Subject(name, "compact", "cpu").inputs(3):
            assert tensor.shape[0] == 3
            assert tensor.float().std() > 0


def _at(batch: int, _: ExitStack) -> Run:
    if batch > 4:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return lambda: batch


def _open(_: Subject, __: ExitStack) -> AtBatch:
    return _at


def _absent(_: Subject, __: ExitStack) -> AtBatch:
    import no_such_package  # noqa: F401

    return _at


def _broken(_: Subject, __: ExitStack) -> AtBatch:
    raise RuntimeError("the driver is too old\nand more")


def test_what_can_not_run_says_why_and_the_rest_goes_on() -> None:
    ways = [
        Way("absent", "absent", _absent),
        Way("broken", "broken", _broken),
        Way("one", "one", _open),
        Way("chain", "chain", _open, names=("chain",)),
    ]
    subjects = [Subject(name, "compact", "cpu") for name in ("audio", "chain")]
    rows = list(measure(ways, subjects, [1, 4, 8], lambda run: [float(run()) + each / 100 for each in range(100)]))  # type: ignore[arg-type]
    assert [(row.network, row.way, row.batch) for row in rows] == [
        ("audio", way, batch) for way in ("absent", "broken", "one") for batch in (1, 4, 8)
    ] + [("chain", way, batch) for way in ("absent", "broken", "one", "chain") for batch in (1, 4, 8)]
    reasons = {(row.way, row.batch): row.reason for row in rows}
    assert reasons["absent", 1] == "the package no_such_package is not installed"
    assert reasons["broken", 8] == "RuntimeError: the driver is too old"
    assert reasons["one", 8] == "the GPU has not enough memory"
    found = next(row for row in rows if row.way == "one" and row.batch == 4)
    assert (found.median_ms, found.p99_ms, found.runs) == (pytest.approx(4.495), pytest.approx(4.98), 100)


def report() -> GpuReport:
    device = Device("GPU One", "9.0", 80.0, 132, {"driver": "580.1"}, {"torch": "2.11"})
    rows = [
        Row("eager-fp32", "chain", 1, 4.0, 5.0, 200),
        Row("eager-fp32", "chain", 8, 6.0, 7.0, 200),
        Row("tensorrt-fp16", "chain", 1, 0.5, 0.6, 200),
        Row("tensorrt-fp16", "chain", 8, reason="the GPU has not enough memory"),
    ]
    work = {"chain": work_of(Subject("chain", "compact", "cpu"))}
    return GpuReport("compact", "2026-01-01", "command", device, Floors(3e12, 6e14), work, rows)


def test_a_report_has_every_figure_its_floor_and_every_reason(tmp_path: Path) -> None:
    made = report()
    text = markdown(made)
    assert "| PyTorch eager, fp32 | 4.00 (5.00) | 6.00 (7.00) |" in text
    assert "| TensorRT FP16, CUDA graph | 0.50 (0.60) | - |" in text
    assert f"| PyTorch eager, fp32 | 250 ({250 / SEGMENTS_PER_S:.0f}) |" in text
    assert "- TensorRT FP16, CUDA graph, chain at 8: the GPU has not enough memory" in text
    rows = list(csv.DictReader(csv_text(made).splitlines()))
    assert [row["median_ms"] for row in rows] == ["4.0", "6.0", "0.5", ""]
    work = made.work["chain"]
    bound = 1e3 * max((work.weight_bytes + work.tensor_bytes) / 3e12, work.operations / 6e14)
    assert float(rows[0]["floor_ms"]) == pytest.approx(bound, abs=1e-5)
    assert float(rows[2]["streams"]) == pytest.approx(600)
    pytest.importorskip("matplotlib")
    plot(made, tmp_path / "gpu.png")
    assert (tmp_path / "gpu.png").stat().st_size > 10_000


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would measure the GPU that is here")
def test_without_a_gpu_the_command_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="finds no GPU") as stopped:
        main(["--preset", "compact"])
    assert "\n" not in str(stopped.value)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(SystemExit, match=f"--way cudnn is unknown; choose {WAYS[0].key}"):
        main(["--way", "cudnn"])


def test_a_checkout_and_pytorch_are_enough() -> None:
    """The rows of PyTorch run where nothing else is installed; the others say what is missing."""
    code = f"""
import sys
for name in {BLOCKED}:
    sys.modules[name] = None
import torch, benchmarks.gpu.__main__
from benchmarks.gpu.device import Device
from benchmarks.gpu.measure import measure
from benchmarks.gpu.networks import Subject, work_of
from benchmarks.gpu.report import GpuReport, csv_text, markdown
from benchmarks.gpu.timing import Floors
from benchmarks.gpu.ways import WAYS
subjects = [Subject("fusion", "compact", "cpu")]
def once(run):
    run()
    return [1.0]
rows = list(measure([way for way in WAYS if way.key != "compile-fp16"], subjects, [1], once))
work = {{"fusion": work_of(*subjects)}}
made = GpuReport("compact", "", "", Device("", "", 0, 0, {{}}, {{}}), Floors(1, 1), work, rows)
markdown(made), csv_text(made)
for row in rows:
    print(row.way, row.reason or "ran")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said["eager-fp32"] == said["eager-fp16"] == "ran"
    assert "is not installed" in said["onnxruntime-fp32"]
    assert "is not installed" in said["tensorrt-fp16"]
