"""Arrays that take long to make, kept in a file so that a killed call doesn't make them again."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.engines.files import replacing
from emostream.trainer.training.compute import writing

__all__ = ["cached"]

_IDENTITY = "identity"
_DAMAGE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)

Arrays = Mapping[str, npt.NDArray[Any]]


def cached(file: Path, identity: str, make: Callable[[], Arrays]) -> dict[str, npt.NDArray[Any]]:
    """What a file holds if it was made under the same identity and is whole, else what `make` gives, written to it.

    Raises:
        TrainingError: the file can't be written.
    """
    try:
        with np.load(file, allow_pickle=False) as found:
            if str(found[_IDENTITY]) == identity:
                return {name: found[name] for name in found.files if name != _IDENTITY}
    except _DAMAGE:
        pass
    made = dict(make())
    arrays = {**made, _IDENTITY: np.array(identity)}
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as part, part.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
    return made
