from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def _engines(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emostream", "engines", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)


def test_plans_are_built_listed_and_removed(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra", exc_type=ImportError)
    built = _engines(tmp_path, "build", "--compute-capability", "8.6,12.0", "--max-batch", "4")
    assert built.returncode == 0, built.stderr
    assert [line.split(":")[0] for line in built.stdout.splitlines()] == [
        f"{role} for GPU {gpu}" for gpu in ("8.6", "12.0") for role in ("audio", "video", "fusion")
    ]
    assert "there is none yet" in built.stderr
    again = _engines(tmp_path, "build", "--compute-capability", "8.6", "--max-batch", "4")
    assert again.stdout.count("is there already") == 3
    listed = _engines(tmp_path, "list").stdout.splitlines()
    plans, last = listed[:6], listed[6:]
    assert [line.split(":")[0] for line in plans] == [f"starter {role}" for role in ("audio", "video", "fusion")] * 2
    assert [line.split("GPU ")[1].split(",")[0] for line in plans] == ["12.0"] * 3 + ["8.6"] * 3
    assert last[0] == f"6 plans in {tmp_path / 'emostream' / 'plans'}"
    assert _engines(tmp_path, "clean").stdout.startswith("removed 6 plans, ")
    assert _engines(tmp_path, "list").stdout.startswith("0 plans in ")


def test_int8_networks_are_made_taken_listed_and_removed(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="INT8 needs the extra int8")
    from emostream.trainer.actors.clip import Line, write_clip

    folder = tmp_path / "recordings"
    for label in ("joy", "anger"):
        (folder / label).mkdir(parents=True)
        for actor in (1, 2):
            write_clip(folder / label / f"{actor}.mp4", actor=actor, script=(Line(label, 1.3, clear=True),))
    (folder / "notes.mp4").write_text("no recording")
    built = _engines(tmp_path, "build", "--engine", "openvino", "--precision", "int8", "--recordings", str(folder))
    assert "notes.mp4" in built.stderr
    assert "Traceback" not in built.stderr
    if built.returncode:  # so few recordings may leave no network that can do with INT8
        assert "error: INT8 is too dear for this bundle: " in built.stderr.splitlines()[-1]
        return
    lines = built.stdout.splitlines()
    assert ": INT8, " in lines[0]
    assert "times as fast" in lines[-2]
    assert lines[-1].startswith("--precision auto ")
    assert "starter: openvino, int8, " in _engines(tmp_path, "list").stdout
    assert "removed 1 bundles' INT8 networks" in _engines(tmp_path, "clean").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--compute-capability", "eight"), "--compute-capability is 'eight', expected numbers such as 8.6,8.9,12.0"),
        (("--engine", "onnxruntime"), "engine 'onnxruntime' needs nothing built; expected tensorrt or openvino"),
        (("--engine", "openvino"), "INT8 is calibrated on real recordings; name a folder of them with --recordings"),
        (("--engine", "openvino", "--precision", "fp16"), "--engine openvino is built in int8, not fp16"),
        (("--engine", "openvino", "--recordings", "nowhere"), "--recordings nowhere is no folder"),
        (("--bundle", "nowhere"), "bundle nowhere does not exist"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    refused = _engines(tmp_path, "build", *arguments)
    assert refused.returncode in (1, 2)
    assert refused.stderr.startswith(f"emostream: error: {message}")
    assert len(refused.stderr.splitlines()) == 1


def test_a_session_loads_nothing_that_only_compiling_needs() -> None:
    code = (
        "import sys, emostream.streamer.cli, emostream.streamer.pipeline.pipeline, emostream.engines.backends.choose; "
        "sys.exit(bool({'onnx', 'torch', 'tensorrt_rtx', 'cuda'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
