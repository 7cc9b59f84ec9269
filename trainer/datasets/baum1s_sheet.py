"""BAUM-1s's annotation sheet: one row for each clip, with the emotion's name and its code.

The columns are told by what is in them, for people save the sheet in many ways. BAUM-1a, the acted part, has a sheet
that looks the same with other codes; taken for this one, it would turn disgust into boredom.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emostream.engines.errors import DataError
from emostream.trainer.datasets.base import emotion_of
from emostream.trainer.datasets.rows import csv_rows, xlsx_rows

__all__ = ["EMOTIONS", "Sheet", "read_sheet"]

EMOTIONS = {
    1: "anger",
    2: "boredom",
    3: "bothered",
    4: "concentrating",
    5: "contempt",
    6: "disgust",
    7: "fear",
    8: "joy",
    9: "neutral",
    10: "sadness",
    11: "surprise",
    12: "thinking",
    13: "unsure",
}

# The owners' sheet gives this clip joy's name or code and neutral's. The paper's 521 clips, of which 173 are joy,
# count it as joy.
_SETTLED = {"S015_007": "joy"}
_MOST_DOUBTFUL = 0.02  # of all rows; beyond that it is another sheet
_CLIP = re.compile(r"(S\d{3}_\d{3})(\.\w+)?", re.IGNORECASE)
_CODE = re.compile(r"\d{1,2}")
_COLUMNS = "the clip (S001_001), the emotion (Anger) and, right of it or headed 'code', its code (1)"


@dataclass(frozen=True)
class Sheet:
    """What the sheet says.

    Attributes:
        labels: emotion by clip, such as "S001_001".
        doubtful: clips whose emotion's name and code disagree; they have no label.
    """

    labels: dict[str, str]
    doubtful: frozenset[str]


def read_sheet(path: Path) -> Sheet:
    """Read the annotation sheet.

    Args:
        path: an Excel or a CSV file with columns for the clip, the emotion's name and its code, in any order, among
            any others.

    Raises:
        DataError: it can't be read, lacks a column, names an unknown emotion or a clip twice, or its names and codes
            disagree as those of BAUM-1a's sheet do.
    """
    rows = xlsx_rows(path) if path.suffix.lower() == ".xlsx" else csv_rows(path)
    clip_at = _column(path, rows, "a clip such as S001_001", lambda cell: _CLIP.fullmatch(cell) is not None)
    header = next((row for row in rows if row and not _is_clip(row, clip_at)), ())
    rows = [row for row in rows if _is_clip(row, clip_at)]
    name_at = _column(path, rows, "an emotion's name", lambda cell: emotion_of(cell) is not None)
    coded = [at for at, title in enumerate(header) if "code" in title.lower()]
    code_at = next((at for at in coded if "emotion" in header[at].lower()), *coded[:1] or [name_at + 1])
    labels: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    for row in rows:
        clip = row[clip_at].partition(".")[0].upper()
        name, code = (row[at] if at < len(row) else "" for at in (name_at, code_at))
        label = emotion_of(name)
        if label is None or not _CODE.fullmatch(code):
            raise DataError(f"{path} gives {clip} the emotion {name!r} and the code {code!r}; expected {_COLUMNS}")
        if clip in labels or clip in doubtful:
            raise DataError(f"{path} has two rows for {clip}; leave one")
        if EMOTIONS.get(int(code)) == label:
            labels[clip] = label
        elif clip in _SETTLED:
            labels[clip] = _SETTLED[clip]
        else:
            doubtful[clip] = f"{clip} {name} with code {code}"
    if len(doubtful) > _MOST_DOUBTFUL * len(rows):
        raise DataError(
            f"{path} calls {next(iter(doubtful.values()))}, and {len(doubtful)} of {len(rows)} rows disagree with the "
            f"codes of BAUM-1s ({', '.join(f'{code} {label}' for code, label in EMOTIONS.items())}); "
            f"BAUM-1a's sheet has other codes: give Annotations_BAUM1s.xlsx"
        )
    return Sheet(labels, frozenset(doubtful))


def _is_clip(row: Sequence[str], clip_at: int) -> bool:
    return clip_at < len(row) and _CLIP.fullmatch(row[clip_at]) is not None


def _column(path: Path, rows: Sequence[Sequence[str]], what: str, fits: Callable[[str], bool]) -> int:
    """The column with the most cells that fit."""
    width = max(map(len, rows), default=0)
    counts = [sum(at < len(row) and fits(row[at]) for row in rows) for at in range(width)]
    if not any(counts):
        raise DataError(f"{path} has no column with {what}; expected columns for {_COLUMNS}")
    return counts.index(max(counts))
