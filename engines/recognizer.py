"""From segments to scores: a bundle's networks on an engine, and its heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from emostream.engines.bundle import Bundle
from emostream.engines.engine import Batch, Engine
from emostream.engines.errors import EngineError
from emostream.engines.heads import HeadName
from emostream.engines.pooling import Features
from emostream.engines.settings import CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, MEL_BANDS, MEL_FRAMES
from emostream.engines.tensors import NETWORK_ROLES

__all__ = ["NetworkInputs", "Recognizer", "Scores"]


@dataclass(frozen=True)
class Scores:
    """A head's probability for each label, and the label with the highest."""

    head: HeadName
    label: str
    by_label: dict[str, float]


class NetworkInputs(Protocol):
    """What the networks see of a segment, such as a `Segment`: None for what is absent."""

    @property
    def mel(self) -> npt.NDArray[np.float32] | None:
        """The voice, float32 [3, 64, 64]."""

    @property
    def clip(self) -> npt.NDArray[np.uint8] | None:
        """The face, uint8 [16, 150, 110, 3], RGB."""


class Recognizer:
    """Turns segments into embeddings, and embeddings or their means into scores."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        """Use a loaded engine of this bundle."""
        self.bundle = bundle
        self.engine = engine

    def embed(self, segments: Sequence[NetworkInputs]) -> list[Features]:
        """Run the networks on several segments at once.

        Raises:
            EngineError: the engine failed, or the networks gave values that are not finite.
        """
        voices = [i for i, segment in enumerate(segments) if segment.mel is not None]
        faces = [i for i, segment in enumerate(segments) if segment.clip is not None]
        both = [i for i in voices if segments[i].clip is not None]
        batch = Batch(
            mel=np.array([segments[i].mel for i in voices], np.float32).reshape(-1, 3, MEL_BANDS, MEL_FRAMES),
            clip=np.array([segments[i].clip for i in faces], np.uint8).reshape(
                -1, CLIP_FRAMES, CROP_HEIGHT, CROP_WIDTH, 3
            ),
            pairs=tuple((voices.index(i), faces.index(i)) for i in both),
        )
        found = self.engine.embed(batch)
        for role, values in zip(NETWORK_ROLES, (found.audio, found.video, found.fused), strict=True):
            if not np.isfinite(values).all():
                raise EngineError(
                    f"the {role} network of bundle {self.bundle.path} gave values that are not finite in "
                    f"{self.engine.name} {self.engine.precision}; take another --precision, or make the bundle again"
                )
        audio, video, fused = (
            dict(zip(rows, values, strict=True))
            for rows, values in ((voices, found.audio), (faces, found.video), (both, found.fused))
        )
        return [Features(audio.get(i), video.get(i), fused.get(i)) for i in range(len(segments))]

    def embed_all(self, segments: Sequence[NetworkInputs], size: int) -> list[Features]:
        """As `embed`, in batches of at most `size` segments."""
        parts = (segments[start : start + size] for start in range(0, len(segments), size))
        return [each for part in parts for each in self.embed(part)]

    def score(self, head: HeadName, feature: npt.NDArray[np.float32]) -> Scores:
        """Scores of one feature [D], an embedding or a mean of embeddings."""
        (row,) = self.bundle.heads[head].probabilities(feature[None])
        labels = self.bundle.manifest.labels
        return Scores(head, labels[int(row.argmax())], {name: float(p) for name, p in zip(labels, row, strict=True)})
