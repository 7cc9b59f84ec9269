"""Average pooling of embeddings over the segments of an utterance, and which head then speaks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from emostream.engines.heads import HEAD_NAMES, HeadName

__all__ = ["Features", "Pool", "Pools", "VideoWindow"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Features:
    """The embeddings of one segment; None for a modality that is absent, and for `fused` without both."""

    audio: FloatArray | None
    video: FloatArray | None
    fused: FloatArray | None

    def get(self, head: HeadName) -> FloatArray | None:
        """The embedding that one head takes."""
        return {"audio": self.audio, "video": self.video, "fused": self.fused}[head]

    @property
    def head(self) -> HeadName | None:
        """The head that speaks for this segment alone: `fused` with both, else the one there is."""
        return next((name for name in ("fused", "audio", "video") if self.get(name) is not None), None)


@dataclass
class Pool:
    """A running mean of feature vectors (the paper's average pooling)."""

    count: int = 0
    _total: npt.NDArray[np.float64] | None = None

    def add(self, feature: FloatArray) -> None:
        """Take one more vector."""
        self._total = feature.astype(np.float64) if self._total is None else self._total + feature
        self.count += 1

    def mean(self) -> FloatArray:
        """The mean.

        Raises:
            ValueError: the pool is empty.
        """
        if self._total is None:
            raise ValueError("an empty pool has no mean")
        return np.asarray(self._total / self.count, dtype=np.float32)


@dataclass
class Pools:
    """The three pools of one utterance; each head sees only its own."""

    segments: int = 0
    _pools: dict[HeadName, Pool] = field(default_factory=lambda: {name: Pool() for name in HEAD_NAMES})

    def add(self, features: Features) -> None:
        """Take one more segment of the utterance."""
        self.segments += 1
        for name in HEAD_NAMES:
            feature = features.get(name)
            if feature is not None:
                self._pools[name].add(feature)

    def count(self, head: HeadName) -> int:
        """Number of segments in one pool."""
        return self._pools[head].count

    @property
    def head(self) -> HeadName | None:
        """`fused` when its pool holds at least half of the segments, else the larger pool; audio where they tie."""
        if self.count("fused") and 2 * self.count("fused") >= self.segments:
            return "fused"
        larger: HeadName = "video" if self.count("video") > self.count("audio") else "audio"
        return larger if self.count(larger) else None

    def mean(self, head: HeadName) -> FloatArray:
        """The pooled feature of one head."""
        return self._pools[head].mean()


class VideoWindow:
    """The video embeddings of the last seconds, which speak outside utterances."""

    def __init__(self, length_s: float = 3.0) -> None:
        """Start empty."""
        self._length = length_s
        self._items: deque[tuple[float, FloatArray]] = deque()

    def add(self, t_end: float, feature: FloatArray | None) -> None:
        """Take the segment that ends at `t_end` seconds, and forget what has become too old."""
        if feature is not None:
            self._items.append((t_end, feature))
        while self._items and self._items[0][0] <= t_end - self._length:
            self._items.popleft()

    def mean(self) -> FloatArray:
        """The mean over the window.

        Raises:
            ValueError: the window is empty.
        """
        pool = Pool()
        for _, feature in self._items:
            pool.add(feature)
        return pool.mean()
