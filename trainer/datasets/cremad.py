"""CREMA-D: 91 actors who say twelve sentences in six emotions (Cao et al., IEEE Trans. Affective Computing 2014)."""

from __future__ import annotations

import re
from pathlib import Path

from emostream.engines.errors import DataError
from emostream.trainer.datasets.assemble import assemble
from emostream.trainer.datasets.base import DataSet, ReadOptions, Recording
from emostream.trainer.datasets.files import MEDIA_SUFFIXES, Layout, sound_or_pictures

__all__ = ["LAYOUT", "read"]

_NAME = re.compile(r"(\d{4})_[A-Z]{3}_([A-Z]{3})_[A-Z]{1,2}", re.IGNORECASE)
_EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "joy", "NEU": "neutral", "SAD": "sadness"}
_POINTER = b"version https://git-lfs"
_MOST_POINTER_BYTES = 300

LAYOUT = Layout(
    "AudioWAV/1001_DFA_ANG_XX.wav and VideoFlash/1001_DFA_ANG_XX.flv",
    r"(.*/)?\d{4}_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_[A-Z]{1,2}",
    MEDIA_SUFFIXES,
)


def read(root: Path, options: ReadOptions) -> DataSet:
    """Read CREMA-D, which its file names describe; it has no surprise.

    Args:
        root: the folder with `AudioWAV` or `VideoFlash`, or one of them.
        options: which recordings, and of which kind of file: sound alone, or pictures with their sound.

    Returns:
        The data set; complete, it has 7442 recordings of 91 subjects. Sound files that are
        equal but for their label are left out.

    Raises:
        ConfigError: classes that it doesn't have.
        DataError: a file whose name tells no emotion, no files of the wanted kind, files that Git LFS has yet to
            fetch, or a class without recordings.
    """
    files, others = sound_or_pictures("CREMA-D", root, options.modality)
    best = [(name, path) for name, path in files if path.suffix.lower() != ".mp3"] or files
    _check_fetched(root, best)
    recordings = [_recording(name, path) for name, path in best]
    left_out = {"another modality": others, "another encoding of the same recording": len(files) - len(best)}
    return assemble("cremad", recordings, options, known=tuple(_EMOTIONS.values()), left_out=left_out)


def _recording(name: str, path: Path) -> Recording:
    match = _NAME.fullmatch(path.stem)
    label = _EMOTIONS.get(match[2].upper()) if match else None
    if match is None or label is None:
        raise DataError(
            f"{name} of CREMA-D tells no emotion; expected a name such as 1001_DFA_ANG_XX with {', '.join(_EMOTIONS)}: "
            f"give the data set's own folder, or move other files out of it"
        )
    return Recording(name, match[1], label, path)


def _check_fetched(root: Path, files: list[tuple[str, Path]]) -> None:
    """Refuse a clone of the owners' repository that has only Git LFS's notes in place of recordings."""
    small = [(name, path) for name, path in files if path.stat().st_size <= _MOST_POINTER_BYTES]
    pointers = [name for name, path in small if path.read_bytes().startswith(_POINTER)]
    if pointers:
        raise DataError(
            f"{len(pointers)} files of CREMA-D, such as {pointers[0]}, are notes of Git LFS and not yet fetched; "
            f"run `git lfs pull` in {root}"
        )
