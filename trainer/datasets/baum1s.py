"""BAUM-1s: 31 Turkish speakers with spontaneous emotions (Zhalehpour, Onder, Akhtar and Erdem, IEEE TAC 2017)."""

from __future__ import annotations

import re
from pathlib import Path

from emostream.engines.errors import DataError
from emostream.trainer.datasets.assemble import assemble
from emostream.trainer.datasets.base import DataSet, ReadOptions, Recording
from emostream.trainer.datasets.baum1s_sheet import EMOTIONS, read_sheet
from emostream.trainer.datasets.files import VIDEO_SUFFIXES, Layout, media_files, walk

__all__ = ["LAYOUT", "read"]

_ACTED = re.compile(r"baum-?1a(?![a-z])", re.IGNORECASE)
_SHEETS = (".xlsx", ".csv")  # the owners' own kind first

LAYOUT = Layout(
    "Annotations_BAUM1s.xlsx (or .csv) and BAUM1s_MP4 - All/s001/S001_001.mp4", r"(.*/)?S\d{3}_\d{3}", VIDEO_SUFFIXES
)


def read(root: Path, options: ReadOptions) -> DataSet:
    """Read BAUM-1s, whose annotation sheet names the emotion of each clip.

    Args:
        root: the folder with the sheet and the clips. BAUM-1a, the acted part, may lie beside them and is passed over.
        options: which recordings.

    Returns:
        The data set; of its 31 subjects' clips, 521 are of the paper's six classes.

    Raises:
        ConfigError: classes that it doesn't have.
        DataError: no sheet, or several, or one that isn't BAUM-1s's; two clips of one name; none of the clips that
            the sheet names; or a class without recordings.
    """
    file = _find_sheet(root)
    sheet = read_sheet(file)
    clips = _clips(root)
    recordings = [
        Recording(name, stem.partition("_")[0].lower(), sheet.labels[stem], path)
        for stem, (name, path) in clips.items()
        if stem in sheet.labels
    ]
    if not recordings:
        raise DataError(
            f"{root} has none of the {len(sheet.labels)} clips that {file.name} names, such as "
            f"{min(sheet.labels)}.mp4, but {len(clips)} others; expected {LAYOUT.text}"
        )
    left_out = {
        "in the sheet without a file": len(sheet.labels.keys() - clips.keys()),
        "not in the sheet": len(clips.keys() - sheet.labels.keys() - sheet.doubtful),
        "name and code disagree in the sheet": len(sheet.doubtful),
    }
    return assemble(
        "baum1s", recordings, options, known=tuple(EMOTIONS.values()), protocol="five-groups", left_out=left_out
    )


def _find_sheet(root: Path) -> Path:
    """The one sheet below a folder: one that is named as annotations, and of two kinds of it the owners' own."""
    sheets = [path for path in walk(root) if path.suffix.lower() in _SHEETS]
    of_this_part = [path for path in sheets if not _ACTED.search(path.name)]
    named = [path for path in of_this_part if "annotation" in path.name.lower()]
    best = sorted(named or of_this_part, key=lambda path: (_SHEETS.index(path.suffix.lower()), path))
    others = [path for path in best[1:] if path.with_suffix("") != best[0].with_suffix("")]
    if not best:
        acted = f"; {sheets[0].name} is BAUM-1a's, whose codes differ" if sheets else ""
        raise DataError(f"{root} has no annotation sheet of BAUM-1s{acted}; give the folder with {LAYOUT.text}")
    if others:
        raise DataError(
            f"{root} has the sheets {best[0].name} and {others[0].name}; leave only Annotations_BAUM1s.xlsx"
        )
    return best[0]


def _clips(root: Path) -> dict[str, tuple[str, Path]]:
    """The clips below a folder by their names without suffix, in capitals."""
    clips: dict[str, tuple[str, Path]] = {}
    for name, path in media_files(root, VIDEO_SUFFIXES):
        if any(_ACTED.search(folder) for folder in name.split("/")[:-1]):
            continue
        stem = path.stem.upper()
        if stem in clips and Path(clips[stem][0]).parent != Path(name).parent:
            raise DataError(
                f"{clips[stem][0]} and {name} of BAUM-1s have one name, and the sheet has one row for them; "
                f"leave only the spontaneous part, BAUM-1s"
            )
        clips.setdefault(stem, (name, path))
    return clips
