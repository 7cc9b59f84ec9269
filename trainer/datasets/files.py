"""Files of data sets: which are recordings, strays, or the same twice, and which known layout a folder follows."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from emostream.engines.errors import DataError
from emostream.trainer.datasets.base import Modality

__all__ = [
    "AUDIO_SUFFIXES",
    "MEDIA_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Layout",
    "contents",
    "media_files",
    "same_content",
    "sound_or_pictures",
    "survey",
    "walk",
]

VIDEO_SUFFIXES = frozenset(
    {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".webm", ".wmv"}
)
AUDIO_SUFFIXES = frozenset({".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav", ".wma"})
MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES

_STRAY_FOLDERS = {"__MACOSX", "$RECYCLE.BIN", "System Volume Information"}
_HEAD_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20

_MOST_SURVEYED = 5000


def walk(root: Path) -> Iterator[Path]:
    """Every file below a folder but hidden ones (`.DS_Store`, `._clip.avi`) and Excel's locks, in no set order.

    Links to folders are followed, each folder once.

    Raises:
        DataError: a folder can't be read.
    """
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_refuse):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _STRAY_FOLDERS)
        yield from (Path(folder, name) for name in files if not name.startswith((".", "~$")))


def media_files(root: Path, suffixes: Iterable[str] = MEDIA_SUFFIXES) -> list[tuple[str, Path]]:
    """The files below a folder that have one of the suffixes, in any case.

    Returns:
        Their paths below the folder with forward slashes, and the files, sorted.

    Raises:
        DataError: a folder can't be read.
    """
    wanted = set(suffixes)
    return sorted((p.relative_to(root).as_posix(), p) for p in walk(root) if p.suffix.lower() in wanted)


def sound_or_pictures(title: str, root: Path, modality: Modality) -> tuple[list[tuple[str, Path]], int]:
    """Files of a data set whose owners ship sound alone, and pictures with their sound.

    Args:
        title: of the data set, for people.
        root: its folder.
        modality: "audio" for the sound alone.

    Returns:
        What `media_files` gives for one of the two, and the number of the others.

    Raises:
        DataError: there are only others, or a folder can't be read.
    """
    everything = media_files(root)
    suffixes = AUDIO_SUFFIXES if modality == "audio" else VIDEO_SUFFIXES
    files = [(name, path) for name, path in everything if path.suffix.lower() in suffixes]
    if everything and not files:
        wanted, other = ("sound", "both") if modality == "audio" else ("pictures", "audio")
        raise DataError(
            f"{root} has no {wanted} of {title}, but {len(everything)} other files, such as {everything[0][0]}; "
            f"choose modality {other}"
        )
    return files, len(everything) - len(files)


def same_content(files: Iterable[Path]) -> list[list[Path]]:
    """Files that are byte for byte the same, in groups of two and more, each in the order given.

    Empty files are none: they hold no recording, which is for the decoder to say.

    Raises:
        DataError: a file can't be read.
    """
    groups = [list(files)]
    try:
        # Few files share a size, and fewer of those a beginning: hardly any is read as a whole.
        for key in (_size, _head, _whole):
            groups = [part for group in groups for part in _split(group, key)]
    except OSError as error:
        raise DataError(f"can't read {error.filename}: {error.strerror}; check the data set's files") from error
    return groups


def _split(files: list[Path], key: Callable[[Path], object]) -> list[list[Path]]:
    """Groups of two and more files with the same key; a key of None is shared with no other file."""
    groups: dict[object, list[Path]] = {}
    for path in files:
        if (value := key(path)) is not None:
            groups.setdefault(value, []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def _size(path: Path) -> int | None:
    return path.stat().st_size or None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_HEAD_BYTES)).digest()


def _whole(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def _refuse(error: OSError) -> None:
    raise DataError(f"can't read the folder {error.filename}: {error.strerror}; check its permissions") from error


@dataclass(frozen=True)
class Layout:
    """How the owners of a data set lay it out.

    Attributes:
        text: the layout, for people.
        mark: by which it is known: a regular expression of a recording's path below the data set's folder, without
            its suffix, in any case.
        suffixes: of its recordings.
    """

    text: str
    mark: str
    suffixes: frozenset[str]

    def fits(self, names: Sequence[str]) -> bool:
        """Whether one of the files of a folder, given by their paths below it, is a recording of this layout."""
        mark = re.compile(self.mark, re.IGNORECASE)
        paths = map(PurePosixPath, names)
        return any(p.suffix.lower() in self.suffixes and mark.fullmatch(str(p.with_suffix(""))) for p in paths)


def survey(root: Path) -> list[str]:
    """Up to 5000 files of a folder, as paths below it with forward slashes.

    Raises:
        DataError: a folder can't be read.
    """
    return [path.relative_to(root).as_posix() for path in islice(walk(root), _MOST_SURVEYED)]


def contents(names: Sequence[str]) -> str:
    """What a folder with these files holds, in a few words."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    if not kinds:
        return "no files"
    listed = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4))
    at_least = "at least " if len(names) == _MOST_SURVEYED else ""
    return f"{at_least}{len(names)} file{'s' if len(names) > 1 else ''} ({listed}), such as {min(names)}"
