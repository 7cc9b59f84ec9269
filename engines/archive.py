"""A bundle's .zip, unpacked into a folder: the files that its manifest names, and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from emostream.engines.errors import BundleError

__all__ = [
    "MANIFEST_FILE",
    "MAX_BYTES",
    "MAX_MANIFEST_BYTES",
    "ZIP_DAMAGE",
    "open_zip",
    "remove",
    "sha256_of",
    "unpack",
]

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
MAX_BYTES = 2 << 30
"""Of a bundle's files together, unpacked: more than one ONNX file can hold."""

_BLOCK = 1 << 20
_MAX_REASON = 200  # characters: zipfile quotes names, which may have 64 KB
_TIGHTEST = 100  # times its packed size; weights hardly shrink, so that more is no bundle
_ENCRYPTED = 0x1
# Only these bound the memory that one block takes: zipfile unpacks whole blocks of bzip2 and LZMA.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for damaged files; NotImplementedError is a RuntimeError, UnicodeDecodeError a ValueError.
ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, EOFError, OSError, OverflowError)


def unpack(archive: Path, folder: Path, names: Callable[[bytes], Iterable[str]]) -> None:
    """Unpack a .zip into a folder, which is there whole or not at all.

    The files lie at the top of the .zip or in one folder of it. Whatever else it holds is left alone.

    Args:
        archive: the .zip.
        folder: what to make. Where it is there already, another process was faster, and its folder stays.
        names: takes the manifest's bytes, checks them, and gives the plain names of the other files.

    Raises:
        BundleError: the .zip is none, is damaged, too large or no bundle, or the folder can't be written.
    """
    with ExitStack() as stack:
        try:
            source = stack.enter_context(open_zip(archive))
        except ZIP_DAMAGE as error:
            raise BundleError(
                f"bundle {archive} is no .zip file ({_reason(error)}); expected a bundle's folder or .zip: "
                "copy it again"
            ) from None
        first = _find_manifest(archive, source)
        raw = b"".join(_blocks(archive, source, first))
        prefix = first.filename.removesuffix(MANIFEST_FILE)
        members = {name: _member(archive, source, prefix + name) for name in names(raw)}
        _check_sizes(archive, list(members.values()))
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpack-") as scratch:
                whole = Path(scratch) / "whole"
                whole.mkdir()
                for name, info in members.items():
                    with (whole / name).open("wb") as plain:
                        for block in _blocks(archive, source, info):
                            plain.write(block)
                (whole / MANIFEST_FILE).write_bytes(raw)
                try:
                    whole.rename(folder)
                except OSError:
                    if not folder.is_dir():
                        raise
        except OSError as error:
            raise BundleError(
                f"bundle {archive} can't be unpacked into {folder}: {_reason(error)}; "
                "make room there, or unpack it by hand and give its folder"
            ) from None


@contextmanager
def open_zip(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open a .zip that may state anything.

    Raises:
        ZIP_DAMAGE: one of these; it is none, or its directory is larger than 1 MiB.
    """
    with _BoundedFile(file) as stream, zipfile.ZipFile(stream) as source:
        yield source


class _BoundedFile(io.FileIO):
    """A file of which no more than a block is read at once: zipfile reads its directory whole, at any length."""

    def read(self, size: int | None = -1) -> bytes:
        """As a file's, or BadZipFile where there is more than a block of it."""
        most = _BLOCK + 1
        found = super().read(most if size is None or size < 0 else min(size, most)) or b""
        if len(found) > _BLOCK:
            raise zipfile.BadZipFile("its directory is larger than 1 MiB")
        return found


def remove(folder: Path) -> None:
    """Remove an unpacked folder.

    Raises:
        BundleError: it can't be removed.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass  # another process was faster
    except OSError as error:
        raise BundleError(
            f"the damaged copy of a bundle in {folder} can't be removed: {_reason(error)}; remove it by hand"
        ) from None


def sha256_of(file: str | os.PathLike[str]) -> str:
    """SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _find_manifest(archive: Path, source: zipfile.ZipFile) -> zipfile.ZipInfo:
    paths = {name: PurePosixPath(name) for name in source.namelist() if not name.endswith("/")}
    found = [name for name, path in paths.items() if path.name == MANIFEST_FILE and len(path.parts) <= 2]
    if len(found) != 1:
        raise BundleError(
            f"bundle {archive}: the .zip holds {len(found) or 'no'} {MANIFEST_FILE}, expected one, "
            "at its top or in one folder; make the .zip of one bundle's folder"
        )
    info = _member(archive, source, found[0])
    if info.file_size > MAX_MANIFEST_BYTES:
        raise BundleError(
            f"bundle {archive}: {MANIFEST_FILE} is larger than 1 MiB, so it is no manifest; make the bundle again"
        )
    return info


def _member(archive: Path, source: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    found = [info for info in source.infolist() if info.filename == name]
    if not found:
        raise BundleError(f"bundle {archive}: {name!r} is missing from the .zip; copy the bundle again")
    if len(found) > 1:
        raise BundleError(f"bundle {archive}: the .zip holds {name!r} {len(found)} times; make the .zip again")
    (info,) = found
    if info.flag_bits & _ENCRYPTED:
        raise BundleError(f"bundle {archive}: {name!r} is encrypted; make the .zip again without a password")
    if info.compress_type not in _METHODS:
        raise BundleError(
            f"bundle {archive}: {name!r} is packed by method {info.compress_type}; make the .zip again with deflate"
        )
    return info


def _check_sizes(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse what would fill a disk; zipfile reads no more of a member than either of its sizes says."""
    size, packed = sum(info.file_size for info in members), sum(info.compress_size for info in members)
    if size > MAX_BYTES:
        raise BundleError(
            f"bundle {archive}: its files have {size:,} bytes, expected at most {MAX_BYTES:,}; make the bundle again"
        )
    if size > max(_BLOCK, _TIGHTEST * packed):
        raise BundleError(
            f"bundle {archive}: {size:,} bytes are packed into {packed:,}, as no bundle's are; make the bundle again"
        )


def _blocks(archive: Path, source: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member's bytes: never more than the size that it states."""
    try:
        with source.open(info) as packed:
            while block := packed.read(_BLOCK):
                yield block
    except ZIP_DAMAGE as error:
        name = PurePosixPath(info.filename).name
        raise BundleError(
            f"bundle {archive}: {name!r} in the .zip is damaged ({_reason(error)}); copy the bundle again"
        ) from None


def _reason(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return (text.splitlines() or [type(error).__name__])[0][:_MAX_REASON]
