"""What is installed: `emostream/` alone, which lives beside packages that are called like our folders."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("engines", "streamer", "trainer")
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
USE = """
from emostream.engines.errors import EmostreamError
from emostream.streamer.client.subscriber import Subscriber
from emostream.trainer.cores import usable_cores
print(EmostreamError.__module__, Subscriber.__module__, usable_cores() > 0)
"""


def run(*command: str | Path, cwd: Path, check: bool = True) -> str:
    """What a command prints."""
    done = subprocess.run(
        [str(each) for each in command], cwd=cwd, capture_output=True, text=True, timeout=100, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the source distribution of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--target", "sdist", "-d", folder, cwd=ROOT)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": source}


def neighbour(folder: Path, name: str) -> Path:
    """A wheel of somebody else's package `name`, which says so."""
    files = {
        f"{name}/__init__.py": f'OWNER = "the other {name}"\n',
        f"{name}_of_others-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}-of-others\nVersion: 1.0\n",
        f"{name}_of_others-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}_of_others-1.0.dist-info/RECORD"
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text.encode())}\n")
    made = folder / f"{name}_of_others-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as wheel:
        for path, text in {**files, record: f"{''.join(lines)}{record},,\n"}.items():
            wheel.writestr(path, text)
    return made


class Environment:
    """A virtual environment that has what emostream requires from this one, and nothing of this checkout."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.folder = folder
        site = run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
        (Path(site) / "required.pth").write_text(f"{sysconfig.get_path('purelib')}\n")

    @property
    def python(self) -> Path:
        return self.folder / SCRIPTS / "python"

    def pip(self, command: str, *arguments: str | Path) -> None:
        run(sys.executable, "-m", "pip", "--python", self.python, command, *arguments, cwd=self.folder)

    def owners(self, names: tuple[str, ...]) -> list[str]:
        """Whose the packages called like our folders are."""
        code = "; ".join(f"import {name}; print({name}.OWNER)" for name in names)
        return run(self.python, "-c", code, cwd=self.folder).splitlines()

    def emostream_works(self) -> bool:
        used = run(self.python, "-c", USE, cwd=self.folder).split()
        trained = run(self.folder / SCRIPTS / "emostream-train", "--help", cwd=self.folder)
        version = run(self.folder / SCRIPTS / "emostream", "--version", cwd=self.folder)
        expected = ["emostream.engines.errors", "emostream.streamer.client.subscriber", "True"]
        return used == expected and "reproduce" in trained and version.startswith("emostream ")


def test_the_wheel_holds_emostream_alone(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"emostream"}
    assert len(names) == len(set(names))
    assert {"emostream/__init__.py", "emostream/__main__.py", "emostream/py.typed"} < set(names)
    for folder in FOLDERS:
        here = {f"emostream/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / folder).rglob("*.py")}
        assert here == {name for name in names if name.startswith(f"emostream/{folder}/") and name.endswith(".py")}
    for data in (
        "engines/starter/manifest.json",
        "streamer/web/static/index.html",
        "streamer/review/templates/report.html",
    ):
        assert f"emostream/{data}" in names


def test_the_source_distribution_has_what_the_wheel_is_made_of(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as source:
        sources = {name.partition("/")[2] for name in source.getnames()}
    with zipfile.ZipFile(built["wheel"]) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("emostream/")}
    own = {name for name in packed if name.count("/") == 1}
    assert own | {name.partition("/")[2] for name in packed - own} <= sources
    assert {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE"} <= sources
    assert [name for name in sources if name.startswith(tuple(f"emostream/{folder}" for folder in FOLDERS))] == []


@pytest.mark.parametrize("first", ["emostream", "the others"])
def test_it_lives_beside_packages_called_like_its_folders(built: dict[str, Path], tmp_path: Path, first: str) -> None:
    environment = Environment(tmp_path / "environment")
    others = [neighbour(tmp_path, name) for name in FOLDERS]
    install = ("install", "--no-deps", "--no-index", "--quiet")
    steps = [lambda: environment.pip(*install, built["wheel"]), lambda: environment.pip(*install, *others)]
    for step in steps if first == "emostream" else reversed(steps):
        step()
    theirs = [f"the other {name}" for name in FOLDERS]
    assert environment.owners(FOLDERS) == theirs
    assert environment.emostream_works()
    if first == "emostream":
        environment.pip("uninstall", "--yes", "--quiet", *(f"{name}-of-others" for name in FOLDERS))
        assert environment.emostream_works()
    else:
        environment.pip("uninstall", "--yes", "--quiet", "emostream")
        assert environment.owners(FOLDERS) == theirs


def test_files_beside_a_script_are_not_taken_for_ours(tmp_path: Path) -> None:
    for name in FOLDERS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is the file beside the script')\n")
    (tmp_path / "script.py").write_text(USE)
    assert run(sys.executable, tmp_path / "script.py", cwd=tmp_path).split()[-1] == "True"


def test_an_editor_finds_definitions_in_the_checkout() -> None:
    jedi = pytest.importorskip("jedi", reason="needs the dev extra, whose ipykernel brings Jedi")
    script = jedi.Script(USE, path=ROOT / "script.py")
    for line, name, file in (
        (2, "EmostreamError", "engines/errors.py"),
        (3, "Subscriber", "streamer/client/subscriber.py"),
        (4, "usable_cores", "trainer/cores.py"),
    ):
        column = USE.splitlines()[line - 1].index(name)
        (found,) = script.goto(line, column, follow_imports=True)
        assert found.module_path.resolve() == ROOT / file
