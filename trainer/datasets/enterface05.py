"""eNTERFACE'05: 43 speakers who react to stories in English (Martin, Kotsia, Macq and Pitas, ICDE Workshops 2006).

Its file names lie: subject 11's say `s12`, some say `s_3`, one ends in `3avi.avi`. Its folders don't. Subject 6's
recordings were never cut into the five sentences; like the paper, which has 43 subjects, the reader leaves them out.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from emostream.engines.errors import DataError
from emostream.trainer.datasets.assemble import assemble
from emostream.trainer.datasets.base import PAPER_LABELS, DataSet, ReadOptions, Recording, emotion_of
from emostream.trainer.datasets.files import VIDEO_SUFFIXES, Layout, media_files

__all__ = ["LAYOUT", "read"]

_SUBJECT = re.compile(r"subject[ _-]*0*(\d+)", re.IGNORECASE)

LAYOUT = Layout(
    "subject 1/anger/sentence 1/*.avi, or clips directly in the emotion's folder",
    r"(.*/)?subject[ _-]*\d+/[^/]+/(.*/)?[^/]+",
    VIDEO_SUFFIXES,
)


class _Place(NamedTuple):
    """Where a recording lies: whose it is, the emotion's folder, and whether there are folders in between."""

    subject: str
    emotion: str
    deeper: bool


def read(root: Path, options: ReadOptions) -> DataSet:
    """Read eNTERFACE'05 from its folders.

    Args:
        root: the folder with `subject 1`, `subject 2` and so on; it may lie deeper.
        options: which recordings.

    Returns:
        The data set; complete, it has 1287 recordings of 43 subjects (the paper counts 1290).

    Raises:
        ConfigError: classes that it doesn't have.
        DataError: a folder of no known subject or emotion, or a class without recordings.
    """
    places = {path: (name, _place(name)) for name, path in media_files(root, VIDEO_SUFFIXES)}
    uncut = _uncut([place for _, place in places.values()])
    recordings = [
        Recording(name, place.subject, place.emotion, path)
        for path, (name, place) in places.items()
        if place.subject not in uncut
    ]
    left_out = {"not cut into sentences": len(places) - len(recordings)}
    return assemble("enterface05", recordings, options, known=PAPER_LABELS, left_out=left_out)


def _place(name: str) -> _Place:
    folders = name.split("/")[:-1]
    at = next((at for at, folder in enumerate(folders) if _SUBJECT.fullmatch(folder)), None)
    if at is None:
        raise DataError(f"{name} of eNTERFACE'05 lies in no subject's folder; expected {LAYOUT.text}")
    number = _SUBJECT.sub(r"\1", folders[at])
    below = folders[at + 1 :]
    emotion = emotion_of(below[0]) if below else None
    if emotion not in PAPER_LABELS:
        where = f"the folder {below[0]!r}" if below else "no emotion's folder"
        raise DataError(
            f"{name} of eNTERFACE'05 lies in {where}; expected one of anger, disgust, fear, happiness, sadness, "
            f"surprise below {folders[at]!r}"
        )
    return _Place(f"subject {number}", emotion, len(below) > 1)


def _uncut(places: list[_Place]) -> set[str]:
    """Subjects with one file for each emotion right in its folder, where others have sentences or several files."""
    clips = Counter((place.subject, place.emotion) for place in places)
    deep = {place.subject for place in places if place.deeper}
    several = deep | {subject for (subject, _), n in clips.items() if n > 1}
    return {place.subject for place in places} - several if several else set()
