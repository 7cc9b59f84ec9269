"""Every data set of recordings, by name; and what to do about a folder that isn't what it should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from emostream.engines.errors import ConfigError, DataError
from emostream.trainer.datasets import baum1s, cremad, enterface05, ravdess, rml, savee, table
from emostream.trainer.datasets.base import DataSet, ReadOptions
from emostream.trainer.datasets.files import Layout, contents, survey

__all__ = ["CLIP_DATASETS", "Reader", "read_dataset"]

Reader = Callable[[Path, ReadOptions], DataSet]

CLIP_DATASETS: dict[str, Reader] = {
    "rml": rml.read,
    "enterface05": enterface05.read,
    "baum1s": baum1s.read,
    "ravdess": ravdess.read,
    "cremad": cremad.read,
    "savee": savee.read,
    "csv": table.read,
}
_LAYOUTS = {
    "enterface05": enterface05.LAYOUT,
    "baum1s": baum1s.LAYOUT,
    "ravdess": ravdess.LAYOUT,
    "cremad": cremad.LAYOUT,
    "savee": savee.LAYOUT,
    "rml": rml.LAYOUT,  # last, for some of SAVEE's names fit it
}
_SEPARATE_FILES = {"ravdess", "cremad", "savee"}


def read_dataset(name: str, root: Path, options: ReadOptions) -> DataSet:
    """Read a data set from the layout its owners distribute.

    Args:
        name: one of `CLIP_DATASETS`.
        root: its folder; for "csv" a CSV file will do.
        options: which recordings.

    Raises:
        ConfigError: options that the data set doesn't have.
        DataError: an unknown name, a folder that is missing, empty or another data set's, or whatever the data set's
            own reader refuses.
    """
    if name not in CLIP_DATASETS:
        raise DataError(f"data set {name!r} is unknown; choose {', '.join(CLIP_DATASETS)}")
    if options.modality != "both" and name not in _SEPARATE_FILES:
        raise ConfigError(
            f"modality {options.modality} can't be chosen of data set {name}, whose files have all there is; "
            f"leave the modality out"
        )
    if not root.exists():
        raise DataError(f"{root} doesn't exist; give the folder of data set {name}")
    if layout := _LAYOUTS.get(name):
        _check_layout(name, layout, root)
    return CLIP_DATASETS[name](root, options)


def _check_layout(name: str, layout: Layout, root: Path) -> None:
    if not root.is_dir():
        raise DataError(f"{root} is a file; give the folder of data set {name}, with {layout.text}")
    names = survey(root)
    if not layout.fits(names):
        raise DataError(
            f"{root} has no recordings of data set {name}: expected {layout.text}, found {contents(names)}"
            f"{_hint(name, layout, root, names)}"
        )


def _hint(name: str, layout: Layout, root: Path, names: Sequence[str]) -> str:
    """What else a folder with these files may be, and where the data set may be instead."""
    for other, its_layout in _LAYOUTS.items():
        if its_layout.fits(names):
            return f"; it looks like data set {other}: choose that"
    folders = sorted({at for each in names if (at := each.partition("/")[0]) != each})
    for folder in folders:
        if layout.fits([each[len(folder) + 1 :] for each in names if each.startswith(f"{folder}/")]):
            return f"; it seems to lie one level deeper: give {root / folder}"
    above = root.resolve().parent
    if layout.fits(survey(above)):
        return f"; it seems to lie one level higher: give {above}"
    return "; check the folder"
