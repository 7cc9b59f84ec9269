"""`make lint` sees every package: a mistake that is planted in each of them is found by the tool that is to find it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="needs the dev extra")
pytest.importorskip("importlinter", reason="needs the dev extra")

ROOT = Path(__file__).parents[2]
LINKED = ("engines", "streamer", "trainer")
PACKAGES = (*LINKED, "emostream", "benchmarks")
HEAD = '"""Planted."""\n\nfrom __future__ import annotations\n\n'
WRONG_TYPE = 'NUMBER: int = "no number"\n'
# What must not be imported there; `engines` stands for the bare names of all three.
FORBIDDEN = {
    "engines": ("import torch", "from emostream.streamer import config", "from emostream.trainer import logs"),
    "streamer": ("import torch", "from emostream.trainer import logs"),
    "trainer": ("from emostream.streamer import config",),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with a wrong type, forbidden imports and bare names in every package."""
    copy = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "pyproject.toml", copy)
    ignore = shutil.ignore_patterns("__pycache__", "*.onnx", "*.npz", "results", *LINKED)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        (copy / name / "planted_type.py").write_text(f"{HEAD}{WRONG_TYPE}")
        (copy / name / "planted_name.py").write_text(f"{HEAD}import engines.errors\nimport streamer\nimport trainer\n")
    for name in LINKED:
        (copy / "emostream" / name).symlink_to(f"../{name}", target_is_directory=True)
        for number, line in enumerate(FORBIDDEN[name]):
            (copy / name / f"planted_import_{number}.py").write_text(f"{HEAD}{line}\n")
    return copy


def tool(copy: Path, *command: str) -> str:
    """What a tool says of the copy, which it must refuse."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_mypy_sees_every_package(planted: Path) -> None:
    said = tool(planted, "mypy")
    found = set(re.findall(r"^(\S*planted_type\.py):5: error: Incompatible types in assignment", said, re.MULTILINE))
    inside = {f"emostream/{name}/planted_type.py" for name in LINKED}
    assert found == {*inside, "emostream/planted_type.py", "benchmarks/planted_type.py"}


def test_import_linter_sees_every_package(planted: Path) -> None:
    said = " ".join(tool(planted, "lint-imports").split())
    for name, lines in FORBIDDEN.items():
        for number, line in enumerate(lines):
            imported = line.removeprefix("import ").removeprefix("from ").replace(" import ", ".")
            assert f"emostream.{name}.planted_import_{number} -> {imported}" in said


def test_the_bare_names_are_banned_everywhere(planted: Path) -> None:
    said = tool(planted, "ruff", "check", "--output-format", "concise", "--select", "TID251", ".")
    found = {(file, name) for file, name in re.findall(r"^(\S*planted_name\.py):.* TID251 `(\w+)", said, re.MULTILINE)}
    assert found == {(f"{package}/planted_name.py", name) for package in PACKAGES for name in LINKED}
