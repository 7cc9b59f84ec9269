"""A bundle: the versioned folder (or .zip of it) that holds networks, heads, labels and front-end settings.

A bundle is data, from whomever it comes. Nothing in it is executed, every file's SHA-256 is checked before anything is
loaded, only the files that the manifest names are read, and none of them can have another file read or fill the memory.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from emostream.engines.archive import MANIFEST_FILE, MAX_BYTES, MAX_MANIFEST_BYTES, remove, sha256_of, unpack
from emostream.engines.errors import BundleError
from emostream.engines.heads import HEAD_NAMES, HeadName, LinearSVM, load_heads
from emostream.engines.manifest import (
    FORMAT_VERSION,
    HEADS_FILE,
    Manifest,
    NetworkSpec,
    decode_manifest,
    listed,
    write_manifest,
)
from emostream.engines.onnx_file import check_onnx
from emostream.engines.tensors import NetworkRole

__all__ = [
    "FORMAT_VERSION",
    "HEADS_FILE",
    "HEAD_NETWORKS",
    "MANIFEST_FILE",
    "Bundle",
    "Manifest",
    "NetworkSpec",
    "write_manifest",
]

HEAD_NETWORKS: dict[HeadName, NetworkRole] = {"audio": "audio", "video": "video", "fused": "fusion"}
"""The network whose embedding each head takes."""

_log = logging.getLogger("emostream")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files have been checked against their hashes."""

    path: Path
    folder: Path
    manifest: Manifest
    heads: Mapping[HeadName, LinearSVM]
    sha256: str

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bundle:
        """Open a bundle's folder or .zip.

        A .zip is unpacked once into the user's cache, under its own hash.

        Raises:
            BundleError: it is missing, damaged, of another format, or made for another front end.
        """
        given = Path(path)
        if not os.path.isfile(given):  # unlike Path's, it takes what can't be asked for as no
            return cls._open(given, given)
        folder = _cache_folder(given)
        if folder.is_dir():
            try:
                return cls._open(given, folder)
            except BundleError:
                _log.warning("the unpacked copy of bundle %s in %s is damaged: unpacking it again", given, folder)
                remove(folder)
        unpack(given, folder, lambda raw: decode_manifest(given, raw).files)
        try:
            return cls._open(given, folder)
        except BundleError:
            remove(folder)
            raise

    @classmethod
    def _open(cls, given: Path, folder: Path) -> Bundle:
        raw = _read_manifest(given, folder)
        manifest = decode_manifest(given, raw)
        if (size := sum(_size_of(given, folder / name) for name in manifest.files)) > MAX_BYTES:
            raise BundleError(
                f"bundle {given}: its files have {size:,} bytes, expected at most {MAX_BYTES:,}; make the bundle again"
            )
        for name, expected in manifest.files.items():
            _check_hash(given, folder / name, expected)
        try:
            for spec in manifest.networks.values():
                check_onnx(folder / spec.file)
            heads = load_heads(folder / HEADS_FILE)
        except BundleError as error:
            raise BundleError(f"bundle {given}: {error}") from None
        _check_heads(given, manifest, heads)
        return cls(path=given, folder=folder, manifest=manifest, heads=heads, sha256=hashlib.sha256(raw).hexdigest())

    def network_file(self, role: NetworkRole) -> Path:
        """The ONNX file of one network."""
        return self.folder / self.manifest.networks[role].file

    def embedding_size(self, role: NetworkRole) -> int:
        """Length of the vector that one network gives for one segment."""
        return self.manifest.networks[role].output.shape[0]

    def __str__(self) -> str:
        state = "trained" if self.manifest.trained else "untrained"
        lines = [
            f"bundle {self.manifest.name} ({self.manifest.preset}, {state})",
            f"  labels: {', '.join(self.manifest.labels)}",
        ]
        for role, spec in self.manifest.networks.items():
            lines.append(f"  {role}: {listed(spec.inputs)} -> [batch, {spec.output.shape[0]}]")
        return "\n".join(lines)


def _read_manifest(given: Path, folder: Path) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(folder / MANIFEST_FILE).st_mode):
            raise BundleError(f"bundle {given}: {MANIFEST_FILE} is no plain file; copy the bundle again")
        with (folder / MANIFEST_FILE).open("rb") as stream:
            return stream.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        what = "has no manifest.json" if folder.is_dir() else "does not exist"
        raise BundleError(
            f"bundle {given} {what}; expected a folder or .zip made by `emostream-train init`, `fit` or `starter`"
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(given, MANIFEST_FILE, error) from None


def _check_heads(given: Path, manifest: Manifest, heads: Mapping[HeadName, LinearSVM]) -> None:
    for name in HEAD_NAMES:
        head = heads[name]
        size = manifest.networks[HEAD_NETWORKS[name]].output.shape[0]
        if head.classes != len(manifest.labels) or head.features != size:
            raise BundleError(
                f"bundle {given}: {HEADS_FILE} head {name!r} takes {head.features} features and gives {head.classes} "
                f"scores, expected {size} and {len(manifest.labels)}; make the bundle again"
            )


def _unreadable(given: Path, name: str, error: OSError | ValueError) -> BundleError:
    """The error for a file that the system won't give; ValueError is its answer to a path that can't be."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return BundleError(f"bundle {given}: {name} can't be read: {reason}; make it readable")


def _size_of(given: Path, file: Path) -> int:
    """Bytes of a file. A pipe or a device is none: reading it might never end."""
    try:
        found = os.stat(file)
    except FileNotFoundError:
        raise BundleError(f"bundle {given}: {file.name} is missing; copy the bundle again") from None
    except OSError as error:
        raise _unreadable(given, file.name, error) from None
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"bundle {given}: {file.name} is no plain file; copy the bundle again")
    return found.st_size


def _check_hash(given: Path, file: Path, expected: str) -> None:
    try:
        found = sha256_of(file)
    except OSError as error:
        raise _unreadable(given, file.name, error) from None
    if found != expected:
        raise BundleError(
            f"bundle {given}: {file.name} has SHA-256 {found[:12]}…, the manifest says {expected[:12]}…; "
            "it was changed or cut short: copy the bundle again"
        )


def _cache_folder(archive: Path) -> Path:
    """Where a .zip is unpacked."""
    try:
        digest = sha256_of(archive)
    except OSError as error:
        raise BundleError(f"bundle {archive} can't be read: {error.strerror}; make it readable") from None
    return Path(platformdirs.user_cache_dir("emostream")) / "bundles" / digest[:32]
