"""INT8 networks on disk: beside the user's plans, by bundle, with the report of what they cost and give.

They are made on the machine that runs them and lie in the user's own cache, never in a bundle.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

from emostream.engines.archive import sha256_of
from emostream.engines.heads import HeadName
from emostream.engines.tensors import NetworkRole

__all__ = ["HeadCost", "Int8Cache", "Int8Report", "StoredInt8"]

_REPORT = "report.json"


class HeadCost(msgspec.Struct, frozen=True):
    """What INT8 costs one head on recordings that calibrated nothing.

    Attributes:
        segments: single segments that it decided on.
        changed: how many of them have another label in INT8.
        recordings: with a known label, whose pooled features it decided on.
        recall: unweighted average recall over those before, 0 to 1; None without any.
        recall_int8: the same in INT8.
    """

    segments: int
    changed: int
    recordings: int
    recall: float | None
    recall_int8: float | None


class Int8Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a bundle's INT8 networks.

    Attributes:
        bundle: its name.
        sha256: of its manifest (hex).
        forms: what of each network was quantised.
        files: SHA-256 (hex) of each file.
        versions: of openvino and nncf.
        processor: that they were measured on.
        before: precision that they were compared with.
        calibrated_on: recordings.
        heads: what they cost each head.
        milliseconds: of all three networks on one segment, before and in INT8, medians of alternating runs.
        refused: why `--precision auto` does not take them; empty where it does.
    """

    bundle: str
    sha256: str
    forms: dict[NetworkRole, str]
    files: dict[str, str]
    versions: dict[Literal["openvino", "nncf"], str]
    processor: str
    before: str
    calibrated_on: int
    heads: dict[HeadName, HeadCost]
    milliseconds: tuple[float, float]
    refused: str

    @property
    def speed(self) -> float:
        """How many times as fast they are."""
        return self.milliseconds[0] / self.milliseconds[1]


@dataclass(frozen=True)
class StoredInt8:
    """The INT8 networks of a bundle; files by network."""

    folder: Path
    report: Int8Report
    files: dict[NetworkRole, Path]


class Int8Cache:
    """The INT8 networks of this user."""

    def __init__(self, folder: Path | None = None) -> None:
        """Name the folder; the user's cache if not given. Nothing is made yet."""
        self.folder = folder or Path(platformdirs.user_cache_dir("emostream")) / "int8"

    def find(self, sha256: str) -> tuple[StoredInt8 | None, str]:
        """The networks of the bundle whose manifest has this SHA-256, whole and unchanged; or None and why."""
        folder = self._place(sha256)
        try:
            report = msgspec.json.decode((folder / _REPORT).read_bytes(), type=Int8Report)
            intact = all(sha256_of(folder / name) == digest for name, digest in report.files.items())
        except FileNotFoundError:
            return None, "there are none yet"
        except (OSError, msgspec.DecodeError):
            intact = False
        if not intact or report.sha256 != sha256:
            return None, f"those in {folder} are damaged"
        return StoredInt8(folder, report, {role: folder / f"{role}.xml" for role in report.forms}), ""

    @contextmanager
    def making(self) -> Iterator[Path]:
        """A folder to write networks into, `ROLE.xml` and `ROLE.bin`; gone at the end unless `store` has taken it.

        Raises:
            OSError: it can't be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".making-", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def store(self, made: Path, report: Int8Report) -> StoredInt8:
        """Keep what was made, in place of what there was of the bundle.

        Raises:
            OSError: it can't be written.
        """
        files = {each.name: sha256_of(each) for each in made.iterdir()}
        report = msgspec.structs.replace(report, files=files)
        (made / _REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
        place = self._place(report.sha256)
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
        return StoredInt8(place, report, {role: place / f"{role}.xml" for role in report.forms})

    def stored(self) -> list[StoredInt8]:
        """All that are whole, by the bundle's name."""
        found = (self.find(each.name)[0] for each in sorted(self.folder.glob("[!.]*")))
        return sorted((each for each in found if each), key=lambda each: each.report.bundle)

    def clean(self) -> list[StoredInt8]:
        """Remove everything; returns what was there.

        Raises:
            OSError: a file can't be removed.
        """
        found = self.stored()
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
        return found

    def _place(self, sha256: str) -> Path:
        return self.folder / sha256
