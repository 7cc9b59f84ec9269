"""A bundle: the versioned folder (or .zip of it) that holds networks, heads, labels and front-end settings.

A bundle is data. Nothing in it is executed, every file's SHA-256 is checked before anything is loaded, and only
the files that the manifest names are read.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from engines.archive import MANIFEST_FILE, MAX_MANIFEST_BYTES, remove, sha256_of, unpack
from engines.errors import BundleError
from engines.files import replace_file
from engines.frontend.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, FRONTEND, LEVELS, MEL_BANDS, MEL_FRAMES
from engines.heads import HEAD_NAMES, HeadName, LinearSVM, load_heads
from engines.tensors import NETWORK_ROLES, NetworkRole, TensorSpec

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

FORMAT_VERSION = 1
HEADS_FILE = "heads.npz"

HEAD_NETWORKS: dict[HeadName, NetworkRole] = {"audio": "audio", "video": "video", "fused": "fusion"}
"""The network whose embedding each head takes."""

_log = logging.getLogger("emostream")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        if not os.path.isfile(given):  # unlike Path's, it takes what can't be asked for as no
            return cls._open(given, given)
        folder = _cache_folder(given)
        if folder.is_dir():
            try:
                return cls._open(given, folder)
            except BundleError:
                _log.warning("the unpacked copy of bundle %s in %s is damaged: unpacking it again", given, folder)
                remove(folder)
        unpack(given, folder, lambda raw: _decode_manifest(given, raw).files)
        try:
            return cls._open(given, folder)
        except BundleError:
            remove(folder)
            raise

    @classmethod
    def _open(cls, given: Path, folder: Path) -> Bundle:
        raw = _read_manifest(given, folder)
        manifest = _decode_manifest(given, raw)
        for name, expected in manifest.files.items():
            _check_hash(given, folder / name, expected)
        heads = load_heads(folder / HEADS_FILE)
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
            lines.append(f"  {role}: {_listed(spec.inputs)} -> [batch, {spec.output.shape[0]}]")
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
    whole = msgspec.structs.replace(manifest, files={name: sha256_of(folder / name) for name in names})
    text = msgspec.json.format(msgspec.json.encode(whole), indent=2)
    replace_file(folder / MANIFEST_FILE, lambda stream: stream.write(text + b"\n"))
    return whole


def _read_manifest(given: Path, folder: Path) -> bytes:
    try:
        with (folder / MANIFEST_FILE).open("rb") as stream:
            return stream.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        what = "has no manifest.json" if folder.is_dir() else "does not exist"
        raise BundleError(
            f"bundle {given} {what}; expected a folder or .zip made by `emostream-train init`, `fit` or `starter`"
        ) from None
    except OSError as error:
        raise BundleError(
            f"bundle {given}: {MANIFEST_FILE} can't be read: {error.strerror}; make it readable"
        ) from None


def _decode_manifest(given: Path, raw: bytes) -> Manifest:
    if len(raw) > MAX_MANIFEST_BYTES:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} is larger than 1 MiB, so it is no manifest; make it again")
    try:
        version = msgspec.json.decode(raw, type=dict[str, Any]).get("format")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} is damaged ({error}); copy the bundle again") from None
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        remedy = "update emostream" if newer else "make the bundle again"
        raise BundleError(
            f"bundle {given}: {MANIFEST_FILE} has format {version!r}, this emostream reads {FORMAT_VERSION}; {remedy}"
        )
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} is not valid: {error}; make the bundle again") from None
    if wrong := next(_faults(manifest), ""):
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} {wrong}; make the bundle again")
    return manifest


def _faults(manifest: Manifest) -> Iterator[str]:
    """What is wrong with a manifest; what follows a fault takes it as mended."""
    if set(manifest.networks) != set(NETWORK_ROLES):
        yield f"names networks {sorted(manifest.networks)}, expected {sorted(NETWORK_ROLES)}"
    if len(manifest.labels) < 2 or len(set(manifest.labels)) != len(manifest.labels):
        yield f"has labels {list(manifest.labels)}, expected at least two different ones"
    for label in manifest.labels:
        if not _LABEL.fullmatch(label):
            yield f"has the label {label!r}, expected 1 to 64 letters, digits, _ and -"
    expected = {spec.file for spec in manifest.networks.values()} | {HEADS_FILE}
    if set(manifest.files) != expected or len(expected) != len(NETWORK_ROLES) + 1:
        yield f"lists files {sorted(manifest.files)}, expected {sorted(expected)}"
    for name, digest in manifest.files.items():
        if not _FILE_NAME.fullmatch(name) or name == MANIFEST_FILE:
            yield f"names the file {name!r}, which is no plain file name"
        if not _SHA256.fullmatch(digest):
            yield f"gives {name} the SHA-256 {digest!r}, expected 64 hexadecimal digits"
    for name, value in FRONTEND.items():
        if manifest.frontend.get(name) != value:
            yield f"was made for {name} = {manifest.frontend.get(name)!r}, this emostream's front end has {value!r}"
    if (level := manifest.frontend.get("level")) not in LEVELS:
        yield f"was made for level = {level!r}, this emostream's front end has {' and '.join(map(repr, LEVELS))}"
    for role, spec in manifest.networks.items():
        if spec.output.dtype != "float32" or len(spec.output.shape) != 1 or spec.output.shape[0] < 1:
            yield f"gives the {role} network the output {spec.output}, expected float32 [batch, at least 1]"
    for role, inputs in _expected_inputs(manifest).items():
        if manifest.networks[role].inputs != inputs:
            found = _listed(manifest.networks[role].inputs) or "none"
            yield f"gives the {role} network the inputs {found}, expected {_listed(inputs)}"


def _expected_inputs(manifest: Manifest) -> dict[NetworkRole, tuple[TensorSpec, ...]]:
    audio, video = (manifest.networks[role].output.shape for role in ("audio", "video"))
    return {
        "audio": (TensorSpec("mel", "float32", (3, MEL_BANDS, MEL_FRAMES)),),
        "video": (TensorSpec("clip", "uint8", (CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3)),),
        "fusion": (TensorSpec("audio", "float32", audio), TensorSpec("video", "float32", video)),
    }


def _listed(tensors: tuple[TensorSpec, ...]) -> str:
    return ", ".join(map(str, tensors))


def _check_heads(given: Path, manifest: Manifest, heads: Mapping[HeadName, LinearSVM]) -> None:
    for name in HEAD_NAMES:
        head = heads[name]
        size = manifest.networks[HEAD_NETWORKS[name]].output.shape[0]
        if head.classes != len(manifest.labels) or head.features != size:
            raise BundleError(
                f"bundle {given}: {HEADS_FILE} head {name!r} takes {head.features} features and gives {head.classes} "
                f"scores, expected {size} and {len(manifest.labels)}; make the bundle again"
            )


def _check_hash(given: Path, file: Path, expected: str) -> None:
    try:
        found = sha256_of(file)
    except FileNotFoundError:
        raise BundleError(f"bundle {given}: {file.name} is missing; copy the bundle again") from None
    except OSError as error:
        raise BundleError(f"bundle {given}: {file.name} can't be read: {error.strerror}; make it readable") from None
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
