"""Which recordings of a data set are wanted, and under which names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from emostream.engines.errors import ConfigError

__all__ = ["LABEL_NAME", "Modality", "ReadOptions"]

Modality = Literal["audio", "video", "both"]
LABEL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what a bundle takes as a label


@dataclass(frozen=True)
class ReadOptions:
    """How a data set is read.

    Attributes:
        labels: the classes to keep, in the order of every class axis; None for those of the paper's six that the
            data set knows, or for all of a data set that is described by a table.
        merge: classes that are taken for another one before `labels` are chosen, such as {"calm": "neutral"}.
        modality: which files to read where the owners ship several of each recording (RAVDESS, CREMA-D, SAVEE).
            RAVDESS's "video" has no sound, the others' files with pictures have.

    Raises:
        ConfigError: fewer than two labels, one of them twice, a name that is none, or a chain in `merge`.
    """

    labels: tuple[str, ...] | None = None
    merge: Mapping[str, str] = field(default_factory=dict)
    modality: Modality = "both"

    def __post_init__(self) -> None:
        if self.modality not in get_args(Modality):
            raise ConfigError(f"modality {self.modality!r} is unknown; choose {', '.join(get_args(Modality))}")
        if self.labels is not None and (len(self.labels) < 2 or len(set(self.labels)) < len(self.labels)):
            raise ConfigError(
                f"labels {', '.join(self.labels) or '(none)'} can't be told apart; give two or more, each once"
            )
        for label in (*(self.labels or ()), *self.merge.values()):
            if not LABEL_NAME.fullmatch(label):
                raise ConfigError(f"label {label!r} is no name; give 1 to 64 letters, digits, _ and -")
        for label, target in self.merge.items():
            if target in self.merge:
                raise ConfigError(
                    f"{label} can't be merged into {target}, which is itself merged into {self.merge[target]}; "
                    f"merge both into {self.merge[target]}"
                )
