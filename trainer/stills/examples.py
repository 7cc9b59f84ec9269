"""Still faces as the video network and its twin for pictures are trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emostream.trainer.stills.motion import moving_clip, varied_crop
from emostream.trainer.stills.pictures import Picture, still_clip, still_crop
from emostream.trainer.training.data import Examples, Rows

__all__ = ["StillClips", "StillCrops"]


class _Pictures(Examples):
    """Pictures, each a recording of its own with one segment."""

    def __init__(self, pictures: Sequence[Picture], labels: npt.NDArray[np.int64], *, varied: bool = False) -> None:
        """Take pictures and the class of each; `varied` ones are never seen twice alike."""
        count = len(pictures)
        super().__init__(Rows(np.arange(count), np.zeros(count, np.int64)), labels)
        self._pictures, self._varied = pictures, varied


class StillCrops(_Pictures):
    """Their crops, uint8 [150, 110, 3]."""

    def inputs(self, index: int) -> tuple[Tensor, ...]:
        """See `Examples`."""
        picture = self._pictures[index]
        crop = varied_crop(picture, self.rng(index)) if self._varied else still_crop(picture)
        return (torch.from_numpy(crop),)


class StillClips(_Pictures):
    """Clips of them, uint8 [16, 150, 110, 3]: moving ones where varied, else the same crop sixteen times."""

    def inputs(self, index: int) -> tuple[Tensor, ...]:
        """See `Examples`."""
        picture = self._pictures[index]
        clip = moving_clip(picture, self.rng(index)) if self._varied else still_clip(picture)
        return (torch.from_numpy(clip),)
