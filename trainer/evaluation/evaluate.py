"""How good a bundle is on a data set: what its heads say of whole recordings, pooled as the streamer pools them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from emostream.engines.bundle import Bundle
from emostream.engines.engine import Engine
from emostream.engines.errors import ConfigError
from emostream.engines.heads import HEAD_NAMES, HeadName
from emostream.engines.pooling import Features, Pools
from emostream.engines.recognizer import Recognizer, Scores
from emostream.trainer.datasets.base import Recording
from emostream.trainer.heads.choice import LENGTHS
from emostream.trainer.metrics import (
    accuracy,
    bootstrap_over_subjects,
    confusion,
    expected_calibration_error,
    log_loss,
    macro_recall,
)
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import Segments

__all__ = [
    "CALIBRATION_BINS",
    "EVALUATED_HEADS",
    "EvaluatedHead",
    "Evaluation",
    "Figures",
    "RecordingScores",
    "check_classes",
    "evaluate",
    "recording_scores",
]

EvaluatedHead = Literal["audio", "video", "fused", "live"]
EVALUATED_HEADS: tuple[EvaluatedHead, ...] = ("live", "fused", "audio", "video")
"""The heads of a bundle, and the one of them that the streamer would choose for a recording."""

CALIBRATION_BINS = 15
_BATCH = 8  # segments; the paper's C3D takes 50 MB for the first layer of each

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class RecordingScores:
    """What the heads say of one recording, taken as one utterance.

    Attributes:
        segments: how many it has.
        pools: how many of them are in each head's pool.
        chosen: the head that the streamer would choose; None with neither a voice nor a face.
        pooled: scores by head and by how much of its pool was heard, a key of `LENGTHS`: the first segment, the first
            three or all that there are. Heads whose pool is empty are left out.
    """

    segments: int
    pools: dict[HeadName, int]
    chosen: HeadName | None
    pooled: dict[HeadName, dict[str, Scores]]

    def of(self, head: EvaluatedHead, length: str = "all") -> Scores | None:
        """Scores by one head, `live` for the chosen one; None where it has nothing to go by."""
        name = self.chosen if head == "live" else head
        return self.pooled[name][length] if name in self.pooled else None


@dataclass(frozen=True, eq=False)
class Figures:
    """How good one head is after one length. NaN where no recording has its modality.

    Attributes:
        decided: recordings that it decides on.
        undecided: those without a voice or a face that it needs. They count as wrong, but not for its probabilities.
        accuracy: of all recordings, 0 to 1.
        accuracy_interval: 95 %, over subjects; NaN with one subject.
        macro_recall: mean recall of the classes that are there.
        recall_interval: of that mean.
        calibration_error: expected calibration error of the top class, 0 to 1.
        log_loss: mean negative log-likelihood of the true class, in nats.
        matrix: counts int64 [C, C + 1], rows true, the last column "no decision".
    """

    decided: int
    undecided: int
    accuracy: float
    accuracy_interval: Interval
    macro_recall: float
    recall_interval: Interval
    calibration_error: float
    log_loss: float
    matrix: Int64s

    @property
    def accuracy_decided(self) -> float:
        """Accuracy of the recordings that it decides on, 0 to 1."""
        return float(self.matrix.trace() / self.decided) if self.decided else float("nan")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A bundle's scores for the R recordings of a data set. Class axes have the bundle's C labels.

    Attributes:
        bundle: what was evaluated.
        engine: what ran it.
        corpus: the recordings.
        scores: of each of them.
    """

    bundle: Bundle
    engine: str
    corpus: Corpus
    scores: tuple[RecordingScores, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The bundle's labels."""
        return self.bundle.manifest.labels

    @cached_property
    def truth(self) -> Int64s:
        """True class of each recording, int64 [R]."""
        return np.array([self.labels.index(each.label) for each in self.corpus.recordings], np.int64)

    def probabilities(self, head: EvaluatedHead, length: str) -> Float64s:
        """By one head after one length, float64 [R, C]; NaN for recordings that it can't decide on."""
        result = np.full((len(self.scores), len(self.labels)), np.nan)
        for row, each in enumerate(self.scores):
            if found := each.of(head, length):
                result[row] = [found.by_label[label] for label in self.labels]
        return result

    def predicted(self, head: EvaluatedHead, length: str) -> Int64s:
        """Class of each recording by one head after one length, int64 [R]; -1 for no decision."""
        found = [each.of(head, length) for each in self.scores]
        return np.array([self.labels.index(each.label) if each else -1 for each in found], np.int64)

    @cached_property
    def figures(self) -> dict[tuple[EvaluatedHead, str], Figures]:
        """Figures by head and length."""
        return {(head, length): self._figures(head, length) for head in EVALUATED_HEADS for length in LENGTHS}

    @property
    def chance(self) -> tuple[float, float, str]:
        """How often a blind guess is right, how often the most frequent class, both 0 to 1, and that class."""
        counts = np.bincount(self.truth, minlength=len(self.labels))
        return 1 / len(self.labels), float(counts.max() / counts.sum()), self.labels[int(counts.argmax())]

    def _figures(self, head: EvaluatedHead, length: str) -> Figures:
        truth, predicted = self.truth, self.predicted(head, length)
        classes, decided = len(self.labels), predicted >= 0
        matrix = confusion(truth, predicted, classes)
        if not decided.any():
            nan = float("nan")
            return Figures(0, len(truth), nan, (nan, nan), nan, (nan, nan), nan, nan, matrix)
        probabilities = self.probabilities(head, length)[decided]
        recall = partial(macro_recall, classes=classes)
        subjects = self.corpus.subjects
        return Figures(
            decided=int(decided.sum()),
            undecided=int((~decided).sum()),
            accuracy=accuracy(truth, predicted),
            accuracy_interval=bootstrap_over_subjects(truth, predicted, subjects, accuracy),
            macro_recall=recall(truth, predicted),
            recall_interval=bootstrap_over_subjects(truth, predicted, subjects, recall),
            calibration_error=expected_calibration_error(probabilities, truth[decided], CALIBRATION_BINS),
            log_loss=log_loss(probabilities, truth[decided]),
            matrix=matrix,
        )


def evaluate(
    bundle: Bundle, engine: Engine, corpus: Corpus, *, progress: Callable[[Recording], None] | None = None
) -> Evaluation:
    """Run a bundle on every recording of a data set.

    Args:
        bundle: its labels may be more than the classes of the data set.
        engine: of this bundle, loaded.
        corpus: the recordings.
        progress: told of each recording as it is finished.

    Raises:
        ConfigError: the data set has a class that the bundle doesn't know.
        DataError: segments are gone from the cache.
        EngineError: the engine failed.
    """
    check_classes(bundle, corpus.dataset, corpus.classes)
    scores = []
    for recording, segments in zip(corpus.recordings, corpus.segments, strict=True):
        scores.append(recording_scores(bundle, engine, segments))
        if progress:
            progress(recording)
    return Evaluation(bundle, f"{engine.name} on {engine.device}, {engine.precision}", corpus, tuple(scores))


def check_classes(bundle: Bundle, dataset: str, classes: Sequence[str]) -> None:
    """Whether a bundle knows all classes of a data set; can be asked before that is prepared.

    Raises:
        ConfigError: it doesn't.
    """
    labels = bundle.manifest.labels
    if unknown := [each for each in classes if each not in labels]:
        raise ConfigError(
            f"data set {dataset} has the class {', '.join(unknown)}, which bundle {bundle.path} doesn't know; "
            f"expected some of its labels, {', '.join(labels)}: choose these with --labels"
        )


def recording_scores(bundle: Bundle, engine: Engine, segments: Segments) -> RecordingScores:
    """What the streamer would say of a recording that is one utterance, by each head and by the one it would choose.

    Args:
        bundle: networks and heads.
        engine: of this bundle, loaded.
        segments: of the recording.

    Raises:
        EngineError: the engine failed.
    """
    recognizer, pools = Recognizer(bundle, engine), Pools()
    means: dict[HeadName, dict[str, npt.NDArray[np.float32]]] = {head: {} for head in HEAD_NAMES}
    for features in _embedded(recognizer, segments):
        pools.add(features)
        for head in HEAD_NAMES:
            if features.get(head) is None:
                continue
            for name, length in LENGTHS.items():
                if length is None or pools.count(head) <= length:
                    means[head][name] = pools.mean(head)
    return RecordingScores(
        segments=pools.segments,
        pools={head: pools.count(head) for head in HEAD_NAMES},
        chosen=pools.head,
        pooled={
            head: {name: recognizer.score(head, mean) for name, mean in own.items()}
            for head, own in means.items()
            if own
        },
    )


@dataclass(frozen=True, eq=False)
class _Inputs:
    """See `NetworkInputs`."""

    mel: npt.NDArray[np.float32] | None
    clip: npt.NDArray[np.uint8] | None


def _embedded(recognizer: Recognizer, segments: Segments) -> Iterator[Features]:
    """The embeddings of every segment, in order: audio where it is voiced, video where the face is present."""
    for first in range(0, len(segments), _BATCH):
        yield from recognizer.embed(
            [
                _Inputs(
                    mel=segments.mel(row) if segments.voiced[row] else None,
                    clip=segments.clip(row) if segments.faces[row] else None,
                )
                for row in range(first, min(first + _BATCH, len(segments)))
            ]
        )
