"""What every engine offers: a batch of segments in, their embeddings out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from emostream.engines.bundle import Bundle
from emostream.engines.errors import EngineError
from emostream.engines.tensors import NetworkRole

__all__ = ["Batch", "Embeddings", "Engine", "HostEngine"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Batch:
    """The inputs of several segments, of which some may lack a voice or a face.

    Attributes:
        mel: float32 [A, 3, 64, 64].
        clip: uint8 [V, 16, 150, 110, 3].
        pairs: for each segment with both, its rows in `mel` and in `clip`.
    """

    mel: FloatArray
    clip: npt.NDArray[np.uint8]
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What the networks give for a `Batch`: float32 [A, D_audio], [V, D_video] and [pairs, D_fusion]."""

    audio: FloatArray
    video: FloatArray
    fused: FloatArray


class Engine(ABC):
    """A bundle on one runtime. The constructor loads nothing; `with` loads and frees.

    Attributes:
        name: of the runtime, as `--engine` takes it.
        device: what it runs on.
        precision: of its arithmetic: `fp32`, `bf16`, `fp16` or `int8`.
        batch_size: segments that are best given at once, at most; more would only let each wait for the others.
    """

    name: str
    device: str
    precision: str
    batch_size: int = 4

    def __init__(self, bundle: Bundle) -> None:
        """Remember the bundle."""
        self.bundle = bundle

    def __enter__(self) -> Self:
        self.load()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def load(self) -> None:
        """Load the networks.

        Raises:
            EngineError: the runtime can't load them.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the networks."""

    @abstractmethod
    def embed(self, batch: Batch) -> Embeddings:
        """Run the networks; a network without any input does not run.

        Raises:
            EngineError: the runtime failed.
        """


class HostEngine(Engine):
    """An engine whose embeddings pass through host memory on their way to the fusion network."""

    @abstractmethod
    def run(self, role: NetworkRole, *inputs: npt.NDArray[np.generic]) -> FloatArray:
        """Run one network on arrays that share a leading batch axis of at least 1."""

    def embed(self, batch: Batch) -> Embeddings:
        """See `Engine`."""
        audio = self._rows("audio", batch.mel)
        video = self._rows("video", batch.clip)
        voices, faces = ([pair[side] for pair in batch.pairs] for side in (0, 1))
        return Embeddings(audio, video, self._rows("fusion", audio[voices], video[faces]))

    def _rows(self, role: NetworkRole, *inputs: npt.NDArray[np.generic]) -> FloatArray:
        if inputs[0].shape[0] == 0:
            return np.zeros((0, self.bundle.embedding_size(role)), dtype=np.float32)
        found = self.run(role, *inputs)
        expected = (inputs[0].shape[0], self.bundle.embedding_size(role))
        if found.shape != expected:
            raise EngineError(
                f"the {role} network of bundle {self.bundle.path} gave {list(found.shape)} values, its manifest says "
                f"{list(expected)}; make the bundle again"
            )
        return found
