"""A bundle: the versioned folder (or .zip of it) that holds networks, heads, labels and front-end settings.

A bundle is data. Nothing in it is executed, every file's SHA-256 is checked before anything is loaded, and only
the files that the manifest names are read.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import platformdirs

from engines.errors import BundleError
from engines.heads import HEAD_NAMES, HeadName, LinearSVM, load_heads

__all__ = [
    "FORMAT_VERSION",
    "HEADS_FILE",
    "MANIFEST_FILE",
    "NETWORK_ROLES",
    "Bundle",
    "Manifest",
    "NetworkRole",
    "NetworkSpec",
    "TensorSpec",
    "write_manifest",
]

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
HEADS_FILE = "heads.npz"

NetworkRole = Literal["audio", "video", "fusion"]
NETWORK_ROLES: tuple[NetworkRole, ...] = ("audio", "video", "fusion")

_MAX_MANIFEST_BYTES = 1 << 20
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output of a network: its name, type, and shape without the leading batch axis."""

    name: str
    dtype: Literal["float32", "uint8"]
    shape: tuple[int, ...]


class NetworkSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ONNX network of a bundle; its batch axis is free."""

    file: str
    inputs: tuple[TensorSpec, ...]
    output: TensorSpec


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `manifest.json` says (DESIGN section 5).

    Attributes:
        format: version of the bundle format.
        name: what the bundle calls itself.
        preset: `paper` or `compact`.
        trained: False where the weights are random, so that the scores mean nothing.
        labels: the classes, in the order of the scores.
        frontend: the front-end settings that the networks were made for.
        networks: the three networks by role.
        files: SHA-256 (hex) of every other file of the bundle.
        training: how and on what it was trained.
        figures: measured figures, and which models they came from.
        licence: the licence of the weights.
    """

    format: int
    name: str
    preset: str
    trained: bool
    labels: tuple[str, ...]
    frontend: dict[str, Any]
    networks: dict[NetworkRole, NetworkSpec]
    files: dict[str, str]
    training: dict[str, Any]
    figures: dict[str, Any]
    licence: str


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
        folder = _unpacked(given) if given.is_file() else given
        manifest, digest = _read_manifest(given, folder)
        _check_manifest(given, manifest)
        for name, expected in manifest.files.items():
            _check_hash(given, folder / name, expected)
        heads = load_heads(folder / HEADS_FILE)
        _check_heads(given, manifest, heads)
        return cls(path=given, folder=folder, manifest=manifest, heads=heads, sha256=digest)

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
            tensors = ", ".join(f"{t.name} {t.dtype} [batch, {', '.join(map(str, t.shape))}]" for t in spec.inputs)
            lines.append(f"  {role}: {tensors} -> [batch, {spec.output.shape[0]}]")
        return "\n".join(lines)


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Hash the files of a new bundle's folder and write its `manifest.json`, last and at once.

    Args:
        folder: holds the networks and `heads.npz` already.
        manifest: everything but `files`, which is replaced by what lies in the folder.

    Returns:
        The manifest as written.
    """
    names = sorted([spec.file for spec in manifest.networks.values()] + [HEADS_FILE])
    whole = msgspec.structs.replace(manifest, files={name: _sha256(folder / name) for name in names})
    text = msgspec.json.format(msgspec.json.encode(whole), indent=2)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".manifest-", delete=False) as file:
        file.write(text + b"\n")
    Path(file.name).chmod(0o644)
    os.replace(file.name, folder / MANIFEST_FILE)
    return whole


def _read_manifest(given: Path, folder: Path) -> tuple[Manifest, str]:
    file = folder / MANIFEST_FILE
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        what = "has no manifest.json" if folder.is_dir() else "does not exist"
        raise BundleError(
            f"bundle {given} {what}; expected a folder or .zip made by `emostream-train init` or `fit`"
        ) from None
    except OSError as error:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} can't be read: {error.strerror}") from None
    if len(raw) > _MAX_MANIFEST_BYTES:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} is larger than 1 MiB, so it is no manifest; make it again")
    try:
        version = msgspec.json.decode(raw, type=dict[str, Any]).get("format")
    except msgspec.DecodeError as error:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} is damaged ({error}); copy the bundle again") from None
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        remedy = "update emostream" if newer else "make the bundle again"
        raise BundleError(
            f"bundle {given}: {MANIFEST_FILE} has format {version!r}, this emostream reads {FORMAT_VERSION}; {remedy}"
        )
    try:
        return msgspec.json.decode(raw, type=Manifest), hashlib.sha256(raw).hexdigest()
    except msgspec.DecodeError as error:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} is not valid: {error}; make the bundle again") from None


def _check_manifest(given: Path, manifest: Manifest) -> None:
    from engines.frontend.settings import FRONTEND  # the front end loads numpy and more; a manifest does not

    def refuse(what: str) -> None:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} {what}; make the bundle again")

    if set(manifest.networks) != set(NETWORK_ROLES):
        refuse(f"names networks {sorted(manifest.networks)}, expected {sorted(NETWORK_ROLES)}")
    if len(manifest.labels) < 2 or len(set(manifest.labels)) != len(manifest.labels):
        refuse(f"has labels {list(manifest.labels)}, expected at least two different ones")
    expected = {spec.file for spec in manifest.networks.values()} | {HEADS_FILE}
    if set(manifest.files) != expected or len(expected) != len(NETWORK_ROLES) + 1:
        refuse(f"lists files {sorted(manifest.files)}, expected {sorted(expected)}")
    for name in expected:
        if not _FILE_NAME.fullmatch(name):
            refuse(f"names the file {name!r}, which is no plain file name")
    for name, value in FRONTEND.items():
        if manifest.frontend.get(name) != value:
            refuse(f"was made for {name} = {manifest.frontend.get(name)!r}, this emostream's front end has {value!r}")
    audio, video, fusion = (manifest.networks[role] for role in NETWORK_ROLES)
    sizes = [t.shape for t in fusion.inputs]
    if sizes != [audio.output.shape, video.output.shape]:
        refuse(f"gives fusion inputs {sizes}, expected {[audio.output.shape, video.output.shape]}")


def _check_heads(given: Path, manifest: Manifest, heads: Mapping[HeadName, LinearSVM]) -> None:
    sizes = {"audio": "audio", "video": "video", "fused": "fusion"}
    for name in HEAD_NAMES:
        head = heads[name]
        size = manifest.networks[sizes[name]].output.shape[0]  # type: ignore[index]
        if head.classes != len(manifest.labels) or head.features != size:
            raise BundleError(
                f"bundle {given}: {HEADS_FILE} head {name!r} takes {head.features} features and gives {head.classes} "
                f"scores, expected {size} and {len(manifest.labels)}; make the bundle again"
            )


def _check_hash(given: Path, file: Path, expected: str) -> None:
    try:
        found = _sha256(file)
    except FileNotFoundError:
        raise BundleError(f"bundle {given}: {file.name} is missing; copy the bundle again") from None
    except OSError as error:
        raise BundleError(f"bundle {given}: {file.name} can't be read: {error.strerror}") from None
    if found != expected:
        raise BundleError(
            f"bundle {given}: {file.name} has SHA-256 {found[:12]}…, the manifest says {expected[:12]}…; "
            "it was changed or cut short: copy the bundle again"
        )


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _unpacked(archive: Path) -> Path:
    """The folder that a .zip bundle is unpacked into: flat, plain names only, renamed into place when whole."""
    folder = Path(platformdirs.user_cache_dir("emostream")) / "bundles" / _sha256(archive)[:32]
    if (folder / MANIFEST_FILE).is_file():
        return folder
    try:
        with zipfile.ZipFile(archive) as source:
            members = {Path(info.filename).name: info for info in source.infolist() if not info.is_dir()}
            if MANIFEST_FILE not in members:
                raise BundleError(f"bundle {archive}: the .zip holds no {MANIFEST_FILE}; expected a bundle")
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                for name, info in members.items():
                    if not _FILE_NAME.fullmatch(name):
                        raise BundleError(f"bundle {archive}: the .zip holds {info.filename!r}, which is no plain file")
                    with source.open(info) as packed, (Path(scratch) / name).open("wb") as plain:
                        while block := packed.read(1 << 20):
                            plain.write(block)
                whole = Path(scratch) / "whole"
                whole.mkdir()
                for name in members:
                    (Path(scratch) / name).rename(whole / name)
                if not folder.exists():
                    whole.rename(folder)
    except zipfile.BadZipFile as error:
        raise BundleError(f"bundle {archive} is no .zip file ({error}); expected a bundle's folder or .zip") from None
    except OSError as error:
        raise BundleError(f"bundle {archive} can't be unpacked into {folder}: {error}") from None
    return folder
