"""What a benchmark ran on: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.tables import page_head
from emostream.trainer.cores import usable_cores

__all__ = ["SETTLE_S", "Machine", "Measured", "MeasuredUnderLoad", "load_average"]

SETTLE_S = 1.0  # of rest, or of warming up, before anything is measured

_PACKAGES = ("emostream", "openvino", "onnxruntime", "opencv-python-headless", "av", "numpy", "pyzmq")
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_EXTENSIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")


@dataclass(frozen=True)
class Machine:
    """A machine and its software.

    Attributes:
        processor: its name.
        extensions: those of its vector and matrix instructions that the engines make use of; empty if unknown.
        cores: logical processors that this process may use.
        memory_gb: main memory, GB.
        system: operating system and architecture.
        python: implementation and version.
        versions: of emostream and the packages it stands on.
        variables: of the environment, those set that limit threads.
    """

    processor: str
    extensions: tuple[str, ...]
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]
    variables: dict[str, str]

    @classmethod
    def this(cls) -> Machine:
        """Look at the machine that this runs on."""
        return cls(
            processor=_processor(),
            extensions=_extensions(),
            cores=usable_cores(),
            memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
            system=_system(),
            python=f"{platform.python_implementation()} {platform.python_version()}",
            versions={name: _version(name) for name in _PACKAGES},
            variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        )

    def rows(self) -> list[tuple[str, str]]:
        """Its description as rows of a table."""
        return [
            ("processor", self.processor + (f" ({', '.join(self.extensions)})" if self.extensions else "")),
            ("usable cores", str(self.cores)),
            ("memory", f"{self.memory_gb} GB"),
            ("system", f"{self.system}, {self.python}"),
            ("versions", ", ".join(f"{name} {number}" for name, number in self.versions.items())),
            ("thread variables", ", ".join(f"{name}={value}" for name, value in self.variables.items()) or "none set"),
        ]


@dataclass(frozen=True)
class Measured:
    """What every report of a benchmark on this machine begins with, in its JSON and on its page.

    Attributes:
        benchmark: its name.
        date: of the measurement.
        command: that gave it.
        machine: that it ran on.
    """

    benchmark: str
    date: str
    command: str
    machine: Machine

    def head(self, title: str, *, lead: str = "", picture: str = "") -> list[str]:
        """The first parts of its page; see `page_head`."""
        return page_head(title, self.date, self.command, self.machine.rows(), lead=lead, picture=picture)


@dataclass(frozen=True)
class MeasuredUnderLoad(Measured):
    """The beginning of a report whose figures depend on what else the machine does.

    Attributes:
        load_average: over 1, 5 and 15 minutes, before the start.
    """

    load_average: tuple[float, float, float]

    def setting(self, *more: tuple[str, str]) -> list[tuple[str, str]]:
        """Date, machine, load, `more` and command, as rows of a table."""
        return [
            ("date", self.date),
            *self.machine.rows(),
            ("load average at start", "{} (1 min), {} (5 min), {} (15 min)".format(*self.load_average)),
            *more,
            ("command", f"`{self.command}`"),
        ]


def load_average() -> tuple[float, float, float]:
    """How many processes wanted a core, on average over the last 1, 5 and 15 minutes."""
    one, five, fifteen = psutil.getloadavg()
    return round(one, 2), round(five, 2), round(fifteen, 2)


def _processor() -> str:
    if name := _cpuinfo("model name"):
        return name
    if sys.platform == "darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or platform.machine()
    return platform.processor() or platform.machine()


def _extensions() -> tuple[str, ...]:
    flags = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return tuple(name for name in _EXTENSIONS if name in flags)


def _cpuinfo(key: str) -> str:
    """A field of the first processor in Linux's list; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip() == key), "")


def _system() -> str:
    name = f"{platform.system()} {platform.release()}"
    if sys.platform == "linux":
        try:
            name = platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            name = "Linux"
    return f"{name}, {platform.machine()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
