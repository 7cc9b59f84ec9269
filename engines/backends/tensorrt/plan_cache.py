"""Plans on disk: found by everything that they depend on, checked before use, written whole or not at all.

A plan's file is one line of text that names its format, one line of JSON (`PlanHeader`), and what TensorRT made. Plans
are code for a GPU, so they lie in the user's own cache and nowhere else, never in a bundle.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import platformdirs

from emostream.engines.files import replacing
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole

__all__ = ["PlanCache", "PlanHeader", "PlanKey", "StoredPlan"]

_MAGIC = b"emostream plan 1\n"
_MAX_HEADER_BYTES = 1 << 16
_SUFFIX = ".plan"
_DIFFERENCES = (
    ("gpu", "is for GPU {}, not {}"),
    ("flavour", "is of {}, not {}"),
    ("version", "is of version {}, not {}"),
    ("graph", "is of graph {}, not {}"),
    ("precision", "is in {}, not {}"),
    ("largest", "takes batches up to {}, not {}"),
    ("optimum", "is for batches of {}, not {}"),
)


class PlanKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a plan depends on.

    Attributes:
        onnx: SHA-256 (hex) of the bundle's network.
        graph: version of what `to_fp16` makes of it.
        flavour: package that built it.
        version: of that package.
        gpu: that it was built for: name and compute capability, or the latter alone.
        precision: of its arithmetic.
        largest: batch size.
        optimum: batch size.
    """

    onnx: str
    graph: int
    flavour: str
    version: str
    gpu: str
    precision: Literal["fp16"]
    largest: int
    optimum: int

    @property
    def digest(self) -> str:
        """Names the key in a file name."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:32]

    def differences(self, other: PlanKey) -> list[str]:
        """What of another plan of the same network doesn't fit, such as "is for GPU X, not Y"."""
        return [
            words.format(getattr(other, name), getattr(self, name))
            for name, words in _DIFFERENCES
            if getattr(other, name) != getattr(self, name)
        ]


class PlanHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan's file says of it.

    Attributes:
        key: what it depends on.
        bundle: name of the bundle that it was first built for.
        role: of the network.
        sha256: of the plan (hex).
    """

    key: PlanKey
    bundle: str
    role: NetworkRole
    sha256: str


@dataclass(frozen=True)
class StoredPlan:
    """A file of the cache; its header is None where it is damaged."""

    file: Path
    header: PlanHeader | None
    size: int


class PlanCache:
    """The plans of this user."""

    def __init__(self, folder: Path | None = None) -> None:
        """Name the folder; the user's cache if not given. Nothing is made yet."""
        self.folder = folder or Path(platformdirs.user_cache_dir("emostream")) / "plans"

    def find(self, key: PlanKey) -> tuple[bytes | None, str]:
        """The plan of a key, or None and why there is none."""
        file = self._file(key)
        try:
            with file.open("rb") as stream:
                header = _read_header(stream)
                plan = stream.read()
        except FileNotFoundError:
            return None, self._why_not(key)
        except OSError as error:
            return None, f"{file} can't be read: {error.strerror}"
        if header is None or header.key != key or hashlib.sha256(plan).hexdigest() != header.sha256:
            return None, f"{file} is damaged"
        return plan, ""

    def store(self, key: PlanKey, plan: bytes, *, bundle: str, role: NetworkRole) -> None:
        """Keep a plan; those of the same network and GPU that it takes the place of are removed.

        Raises:
            OSError: the file can't be written.
        """
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        header = PlanHeader(key, bundle, role, hashlib.sha256(plan).hexdigest())
        with replacing(file) as part, part.open("wb") as stream:
            stream.writelines((_MAGIC, msgspec.json.encode(header), b"\n", plan))
        for other in self._of_network(key):
            if other.file != file and (other.header is None or _outdated(other.header.key, key)):
                other.file.unlink(missing_ok=True)

    def plans(self) -> list[StoredPlan]:
        """Every plan there is, damaged ones too and last; by bundle, GPU and role."""
        return sorted((_stored(file) for file in self.folder.glob(f"*/[!.]*{_SUFFIX}")), key=_place)

    def clean(self) -> list[StoredPlan]:
        """Remove every plan, and what interrupted builds have left; returns what was there.

        Raises:
            OSError: a file can't be removed.
        """
        found = self.plans()
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
        return found

    def _file(self, key: PlanKey) -> Path:
        return self.folder / key.onnx[:32] / f"{key.digest}{_SUFFIX}"

    def _of_network(self, key: PlanKey) -> Iterator[StoredPlan]:
        return (_stored(file) for file in sorted(self._file(key).parent.glob(f"[!.]*{_SUFFIX}")))

    def _why_not(self, key: PlanKey) -> str:
        others = [key.differences(each.header.key) for each in self._of_network(key) if each.header is not None]
        if not others:
            return "there is none yet"
        nearest = min(others, key=len)
        return f"there is a plan, but it {' and '.join(nearest)}"


def _outdated(old: PlanKey, new: PlanKey) -> bool:
    """Whether only the version of the flavour, or that of the graph, tells them apart."""
    return msgspec.structs.replace(old, version=new.version, graph=new.graph) == new


def _place(plan: StoredPlan) -> tuple[object, ...]:
    header = plan.header
    if header is None:
        return (1, plan.file)
    key = header.key
    return (
        0,
        header.bundle,
        key.flavour,
        key.version,
        key.gpu,
        key.largest,
        NETWORK_ROLES.index(header.role),
        plan.file,
    )


def _stored(file: Path) -> StoredPlan:
    try:
        with file.open("rb") as stream:
            return StoredPlan(file, _read_header(stream), file.stat().st_size)
    except OSError:
        return StoredPlan(file, None, 0)


def _read_header(stream: BinaryIO) -> PlanHeader | None:
    if stream.readline(len(_MAGIC)) != _MAGIC:
        return None
    try:
        return msgspec.json.decode(stream.readline(_MAX_HEADER_BYTES), type=PlanHeader)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
