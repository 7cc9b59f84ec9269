from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emostream.trainer.heads.prefixes import PrefixRows, prefix_rows


@dataclass(frozen=True, eq=False)
class Rows:
    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    subjects: npt.NDArray[Any]


def rows(seed: int = 0, n: int = 180, features: int = 7, classes: int = 4, subjects: int = 6) -> Rows:
    """Overlapping classes around their own centres, in units and offsets that differ from feature to feature.

    Another seed draws other rows of the same classes.
    """
    world, rng = np.random.default_rng(classes), np.random.default_rng([1, seed])
    labels = np.arange(n) % classes
    own = world.standard_normal((classes, features))[labels] + 1.2 * rng.standard_normal((n, features))
    units, offsets = 10.0 ** world.uniform(-2, 2, features), 10 * world.standard_normal(features)
    people = np.array([f"s{index}" for index in rng.integers(subjects, size=n)])
    return Rows((own * units + offsets * units).astype(np.float32), labels, people)


@dataclass(frozen=True, eq=False)
class Spoken:
    rows: PrefixRows
    labels: npt.NDArray[np.int64]
    subjects: npt.NDArray[np.int64]


def spoken(seed: int = 0, recordings: int = 120, features: int = 8, classes: int = 4, noise: float = 3.0) -> Spoken:
    """Recordings of 1 to 14 noisy segments, as prefixes."""
    rng = np.random.default_rng(seed)
    labels, subjects = np.arange(recordings) % classes, rng.integers(8, size=recordings)
    centres = rng.standard_normal((classes, features))
    made = prefix_rows(
        [
            (centres[label] + noise * rng.standard_normal((rng.integers(1, 15), features))).astype(np.float32)
            for label in labels
        ]
    )
    return Spoken(made, labels[made.recordings], subjects[made.recordings])
