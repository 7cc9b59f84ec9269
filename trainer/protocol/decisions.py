"""What each method of the registry decides on the recordings of a test fold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from emostream.engines.heads import LinearSVM
from emostream.trainer.heads.calibrated import train_head
from emostream.trainer.heads.svm import SVM, fit_svm
from emostream.trainer.protocol.methods import METHODS, Method
from emostream.trainer.protocol.pooled import Pooled
from emostream.trainer.protocol.rules import combine, decide, fuse_scores, majority
from emostream.trainer.segments.corpus import Corpus

__all__ = ["Decider"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Decider:
    """Trains the SVMs on the training recordings, and decides on the others.

    Where a recording lacks a modality, a method that needs both decides by the one there is, as the streamer does;
    one that needs just the missing one decides nothing.

    Attributes:
        svms: those trained so far, by name.
    """

    def __init__(self, corpus: Corpus, trained: Bools, features: Mapping[str, Pooled]) -> None:
        """Take the pooled features by name, and which recordings were trained on, bool [R]."""
        self._corpus, self._trained, self._features = corpus, trained, features
        self._tested = np.flatnonzero(~trained)
        self.svms: dict[str, SVM | LinearSVM] = {}
        self._audio, self._video = features["audio"], features["video"]
        self._both = self._audio.present & self._video.present

    def decide_all(self) -> dict[str, Ints]:
        """Class of each recording that was not trained on, by method of `METHODS`, int64; -1 for no decision."""
        scores = {name: self._unimodal_scores(name) for name in ("audio", "video")}
        return {method.key: self._decide(method, scores) for method in METHODS}

    def _decide(self, method: Method, scores: dict[str, npt.NDArray[np.float64]]) -> Ints:
        if method.kind == "rule":
            found = np.full(self._tested.size, -1, np.int64)
            found[self._both[self._tested]] = decide(self._rule(method.source, scores))
        elif method.kind == "concatenated":
            found = self._by_svm(method.key, np.hstack([self._audio.mean, self._video.mean]), self._both)
        else:
            pooled = self._features[method.source]
            feature = pooled.highest if method.pooling == "max" else pooled.mean
            found = self._by_svm(method.key, feature, pooled.present)
        unimodal = method.kind == "feature" and method.source.startswith(("audio", "video"))
        return found if unimodal else self._fall_back(found, scores)

    def _by_svm(self, name: str, features: Floats, present: Bools) -> Ints:
        own = self._trained & present
        labels = self._corpus.labels
        svm = fit_svm(features[own], labels[own], len(self._corpus.classes))
        self.svms[name] = svm
        return np.where(present[self._tested], svm.predict(features[self._tested]), -1)

    def _unimodal_scores(self, name: str) -> npt.NDArray[np.float64]:
        """Class probabilities of the tested recordings by one modality alone, [T, C]; nan without it."""
        pooled = self._features[name]
        own = self._trained & pooled.present
        head = train_head(
            pooled.mean[own],
            self._corpus.labels[own],
            self._corpus.subjects[own],
            len(self._corpus.classes),
            names=self._corpus.classes,
        )
        self.svms[f"{name} scores"] = head
        scores = head.probabilities(pooled.mean[self._tested])
        scores[~pooled.present[self._tested]] = np.nan
        return scores

    def _rule(self, name: str, scores: dict[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """Fused scores of the tested recordings that have both modalities."""
        both = self._both[self._tested]
        audio, video = scores["audio"][both], scores["video"][both]
        if name == "majority":
            chosen = self._tested[both]
            heard, seen = ([pooled.votes[row] for row in chosen] for pooled in (self._audio, self._video))
            return majority(heard, seen, audio, video)
        if name == "score":
            return fuse_scores(audio, video)
        return combine(cast(Literal["max", "sum", "min", "average", "product"], name), audio, video)

    def _fall_back(self, found: Ints, scores: dict[str, npt.NDArray[np.float64]]) -> Ints:
        for name in ("audio", "video"):
            usable = (found < 0) & np.isfinite(scores[name]).all(axis=1)
            found[usable] = decide(scores[name][usable])
        return found
