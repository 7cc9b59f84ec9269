"""A bundle's `manifest.json`: what it says, and what is wrong with it."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from emostream.engines.archive import MANIFEST_FILE, MAX_MANIFEST_BYTES, sha256_of
from emostream.engines.errors import BundleError
from emostream.engines.files import replace_file
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, FRONTEND, LEVELS, MEL_BANDS, MEL_FRAMES
from emostream.engines.tensors import NETWORK_ROLES, NetworkRole, TensorSpec

__all__ = ["FORMAT_VERSION", "HEADS_FILE", "Manifest", "NetworkSpec", "decode_manifest", "listed", "write_manifest"]

FORMAT_VERSION = 1
HEADS_FILE = "heads.npz"

_MAX_LABELS = 100
_MAX_NAME = 100
_NETWORK_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,94}\.onnx")  # by its suffix OpenVINO chooses what to read
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# Messages quote what the file says, which may be a megabyte long or nested a thousand deep.
_quote = reprlib.Repr()
_quote.maxstring = _quote.maxlong = _quote.maxother = 100
_quote.maxlist = _quote.maxtuple = _quote.maxdict = 10


class NetworkSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ONNX network of a bundle; its batch axis is free."""

    file: str
    inputs: tuple[TensorSpec, ...]
    output: TensorSpec


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `manifest.json` says.

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
    replace_file(folder / MANIFEST_FILE, text + b"\n")
    return whole


def decode_manifest(given: Path, raw: bytes) -> Manifest:
    """Read and check a manifest.

    Args:
        given: the bundle's path, for messages.
        raw: what the file holds, or its first MAX_MANIFEST_BYTES + 1 bytes.

    Raises:
        BundleError: it is damaged, of another format, or not valid.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} is larger than 1 MiB, so it is no manifest; make it again")
    try:
        version = msgspec.json.decode(raw, type=dict[str, Any]).get("format")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BundleError(
            f"bundle {given}: {MANIFEST_FILE} is damaged ({_clipped(error)}); copy the bundle again"
        ) from None
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        remedy = "update emostream" if newer else "make the bundle again"
        raise BundleError(
            f"bundle {given}: {MANIFEST_FILE} has format {_quote.repr(version)}, this emostream reads "
            f"{FORMAT_VERSION}; {remedy}"
        )
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleError(
            f"bundle {given}: {MANIFEST_FILE} is not valid: {_clipped(error)}; make the bundle again"
        ) from None
    if wrong := next(_faults(manifest), ""):
        raise BundleError(f"bundle {given}: {MANIFEST_FILE} {wrong}; make the bundle again")
    return manifest


def _faults(manifest: Manifest) -> Iterator[str]:
    """What is wrong with a manifest; what follows a fault takes it as mended."""
    quote = _quote.repr
    if set(manifest.networks) != set(NETWORK_ROLES):
        yield f"names networks {sorted(manifest.networks)}, expected {sorted(NETWORK_ROLES)}"
    for field in ("name", "preset"):
        text = getattr(manifest, field)
        if not (text.isprintable() and 1 <= len(text) <= _MAX_NAME):
            yield f"has the {field} {quote(text)}, expected 1 to {_MAX_NAME} characters that can be shown"
    if not 2 <= len(manifest.labels) <= _MAX_LABELS or len(set(manifest.labels)) != len(manifest.labels):
        yield f"has labels {quote(list(manifest.labels))}, expected at least two different ones, at most {_MAX_LABELS}"
    for label in manifest.labels:
        if not _LABEL.fullmatch(label):
            yield f"has the label {quote(label)}, expected 1 to 64 letters, digits, _ and -"
    for spec in manifest.networks.values():
        if not _NETWORK_FILE.fullmatch(spec.file):
            yield f"names the file {quote(spec.file)}, expected a plain file name that ends in .onnx"
    expected = {spec.file for spec in manifest.networks.values()} | {HEADS_FILE}
    if set(manifest.files) != expected or len(expected) != len(NETWORK_ROLES) + 1:
        yield f"lists files {quote(sorted(manifest.files))}, expected {sorted(expected)}"
    for name, digest in manifest.files.items():
        if not _SHA256.fullmatch(digest):
            yield f"gives {name} the SHA-256 {quote(digest)}, expected 64 hexadecimal digits"
    for name, value in FRONTEND.items():
        if (found := manifest.frontend.get(name)) != value:
            yield f"was made for {name} = {quote(found)}, this emostream's front end has {value!r}"
    if (level := manifest.frontend.get("level")) not in LEVELS:
        yield f"was made for level = {quote(level)}, this emostream's front end has {' and '.join(map(repr, LEVELS))}"
    for role, spec in manifest.networks.items():
        if spec.output.dtype != "float32" or len(spec.output.shape) != 1 or spec.output.shape[0] < 1:
            yield f"gives the {role} network the output {_clipped(spec.output)}, expected float32 [batch, at least 1]"
    for role, inputs in _expected_inputs(manifest).items():
        if manifest.networks[role].inputs != inputs:
            given = _clipped(listed(manifest.networks[role].inputs)) or "none"
            yield f"gives the {role} network the inputs {given}, expected {listed(inputs)}"


def _clipped(value: object) -> str:
    """A text without the strings' quotes of `_quote`, as short, and of one line."""
    return _quote.repr(str(value))[1:-1]


def _expected_inputs(manifest: Manifest) -> dict[NetworkRole, tuple[TensorSpec, ...]]:
    audio, video = (manifest.networks[role].output.shape for role in ("audio", "video"))
    return {
        "audio": (TensorSpec("mel", "float32", (3, MEL_BANDS, MEL_FRAMES)),),
        "video": (TensorSpec("clip", "uint8", (CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3)),),
        "fusion": (TensorSpec("audio", "float32", audio), TensorSpec("video", "float32", video)),
    }


def listed(tensors: tuple[TensorSpec, ...]) -> str:
    """Tensors as one text."""
    return ", ".join(map(str, tensors))
