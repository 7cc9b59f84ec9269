"""RML: eight speakers of six languages (Wang and Guan, ICASSP 2005)."""

from __future__ import annotations

import re
from pathlib import Path

from emostream.engines.errors import DataError
from emostream.trainer.datasets.assemble import assemble
from emostream.trainer.datasets.base import PAPER_LABELS, DataSet, ReadOptions, Recording
from emostream.trainer.datasets.files import VIDEO_SUFFIXES, Layout, media_files

__all__ = ["LAYOUT", "read"]

_CODES = {"an": "anger", "di": "disgust", "fe": "fear", "ha": "joy", "sa": "sadness", "su": "surprise"}
_CODE = re.compile(rf"({'|'.join(_CODES)})(?![a-z])", re.IGNORECASE)
_SPEAKER = re.compile(r"(s|speaker|subject)[ _-]?\d+", re.IGNORECASE)
_PART = re.compile(r"rml.*", re.IGNORECASE)

LAYOUT = Layout(
    "rml-1/s1/an1.avi to rml-2/s8/su9.avi, or SPEAKER/an1.avi, or SPEAKER/LANGUAGE/an1.avi",
    r"(rml[^/]*/)?[^/]+/([^/]+/)?(an|di|fe|ha|sa|su)[^/a-z]*",
    VIDEO_SUFFIXES,
)


def read(root: Path, options: ReadOptions) -> DataSet:
    """Read RML; the emotion is in the first letters of a file's name.

    Args:
        root: the folder with `rml-1` and `rml-2`, or with the speakers.
        options: which recordings.

    Returns:
        The data set; complete, it has 720 recordings of 8 subjects.

    Raises:
        ConfigError: classes that it doesn't have.
        DataError: a file of no known emotion or speaker, or a class without recordings.
    """
    recordings = [
        Recording(name, _speaker(name), _label(name), path) for name, path in media_files(root, VIDEO_SUFFIXES)
    ]
    return assemble("rml", recordings, options, known=PAPER_LABELS)


def _label(name: str) -> str:
    match = _CODE.match(name.rpartition("/")[2])
    if match is None:
        codes = ", ".join(f"{code} ({emotion})" for code, emotion in _CODES.items())
        raise DataError(f"{name} of RML tells no emotion; expected a name that begins with {codes} and a number")
    return _CODES[match[0].lower()]


def _speaker(name: str) -> str:
    folders = [folder for folder in name.split("/")[:-1] if not _PART.fullmatch(folder)]
    if not folders:
        raise DataError(f"{name} of RML lies in no speaker's folder; expected {LAYOUT.text}")
    return next((folder for folder in folders if _SPEAKER.fullmatch(folder)), folders[0])
