from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from emostream.engines.heads import LinearSVM
from emostream.trainer.datasets.base import Recording
from emostream.trainer.heads.svm import SVM
from emostream.trainer.protocol import decisions
from emostream.trainer.protocol.decisions import Decider
from emostream.trainer.protocol.methods import FUSIONS, METHODS
from emostream.trainer.protocol.pooled import Pooled, pool
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import SegmentStore
from emostream.trainer.training.data import Rows
from emostream.trainer.training.embedding import Embedded

CLASSES = ("anger", "joy", "sadness")
BOTH, HEARD, SEEN, NEITHER, APART = range(5)  # what the tested recordings have; the last never both at once
UNIMODAL = {"audio", "audio-15", "audio-original", "video", "video-original"}
RULES = {method.key for method in METHODS if method.kind == "rule"}

Bools = npt.NDArray[np.bool_]


def corpus() -> Corpus:
    """Six subjects with six recordings each to learn from, and five recordings of another to test on."""
    rows = [(f"s{n // 6}", CLASSES[n % 3]) for n in range(36)] + [("t", "anger")] * 5
    recordings = tuple(Recording(f"{s}/{n:02}.avi", s, label, Path(s)) for n, (s, label) in enumerate(rows))
    return Corpus("rml", CLASSES, recordings, ("",) * len(rows), SegmentStore(Path("nowhere"), ""))


def trained() -> Bools:
    return np.arange(41) < 36


def features(seed: int = 0) -> dict[str, Pooled]:
    """Each source knows the classes a little in its own way."""
    rng = np.random.default_rng(seed)
    made = {}
    for source in (*sorted(UNIMODAL), *FUSIONS):
        present = np.ones(41, bool)
        lacks = {"a": (SEEN, NEITHER), "v": (HEARD, NEITHER)}.get(source[0], (HEARD, SEEN, NEITHER, APART))
        present[36 + np.array(lacks)] = False
        mean = rng.standard_normal((41, 6)).astype(np.float32)
        mean[np.arange(36), np.arange(36) % 3] += 1.5
        mean[~present] = 0
        votes = tuple(rng.integers(0, 3, 4) if here else np.zeros(0, np.int64) for here in present)
        made[source] = Pooled(mean, mean + rng.random((41, 6), np.float32), present, votes)
    return made


def decide(made: dict[str, Pooled]) -> dict[str, npt.NDArray[np.int64]]:
    return Decider(corpus(), trained(), made).decide_all()


def test_a_feature_is_decided_by_libsvm_on_scaled_training_recordings() -> None:
    made = features()
    found = decide(made)
    labels = np.arange(36) % 3
    for key, x in {
        "audio": made["audio"].mean,
        "dbn-2": made["dbn-2"].mean,
        "dbn-2-max": made["dbn-2"].highest,
        "fc-3": made["fc-3"].mean,
        "concatenated": np.hstack([made["audio"].mean, made["video"].mean]),
    }.items():
        scaler = MinMaxScaler().fit(x[:36])
        svm = SVC(kernel="linear", C=1.0, decision_function_shape="ovo").fit(scaler.transform(x[:36]), labels)
        assert found[key][BOTH] == svm.predict(scaler.transform(x[36:]))[BOTH], key


def test_every_method_decides_and_names_its_svm() -> None:
    decider = Decider(corpus(), trained(), features())
    found = decider.decide_all()
    assert list(found) == [method.key for method in METHODS]
    assert all(each.shape == (5,) and each.dtype == np.int64 for each in found.values())
    assert set(decider.svms) == {"audio scores", "video scores"} | (set(found) - RULES)
    assert {type(svm) for name, svm in decider.svms.items() if name.endswith("scores")} == {LinearSVM}
    assert {type(svm) for name, svm in decider.svms.items() if not name.endswith("scores")} == {SVM}


def test_a_missing_modality_leaves_the_decision_to_the_other() -> None:
    for seed in range(5):
        decider = Decider(corpus(), trained(), made := features(seed))
        found = decider.decide_all()
        by_audio, by_video = (
            decider.svms[f"{name} scores"].probabilities(made[name].mean[36:]).argmax(1) for name in ("audio", "video")
        )
        for key, decided in found.items():
            if key in UNIMODAL:
                there = [BOTH, HEARD, APART] if key.startswith("audio") else [BOTH, SEEN, APART]
                assert (decided >= 0).tolist() == [place in there for place in range(5)], key
                continue
            assert decided[HEARD] == by_audio[HEARD], key
            assert decided[SEEN] == by_video[SEEN], key
            assert decided[NEITHER] == -1, key
            if key not in RULES | {"concatenated"}:  # no segment has both, so there is no joint feature
                assert decided[APART] == by_audio[APART], key
        assert (found["sum"] == found["average"]).all()
        assert (found["sum"] == found["score"]).all()


@dataclass(frozen=True)
class _Head:
    """A head with known probabilities."""

    scores: npt.NDArray[np.float64]

    def probabilities(self, x: object) -> npt.NDArray[np.float64]:
        return self.scores.copy()


def test_the_rules_on_scores_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, seen = [0.7, 0.2, 0.1], [0.05, 0.45, 0.5]
    heads = iter([_Head(np.array([heard] * 5)), _Head(np.array([seen] * 5))])
    monkeypatch.setattr(decisions, "train_head", lambda *_, **__: next(heads))
    made = features()
    for name, votes in (("audio", [2, 2, 0]), ("video", [2, 1])):
        own = list(made[name].votes)
        own[36 + BOTH], own[36 + APART] = np.array(votes), np.array(votes[-1:])
        made[name] = Pooled(made[name].mean, made[name].highest, made[name].present, tuple(own))
    found = decide(made)
    by_hand = {"max": 0, "sum": 0, "min": 1, "average": 0, "product": 1, "score": 0, "majority": 2}
    assert {key: int(found[key][BOTH]) for key in RULES} == by_hand
    assert found["majority"][APART] == 0  # one vote for 0 and one for 1: the sum rule decides
    for key in RULES:
        assert found[key][HEARD] == 0
        assert found[key][SEEN] == 2
        assert found[key][NEITHER] == -1


def test_pooling_is_by_recording_and_leaves_gaps() -> None:
    rng = np.random.default_rng(0)
    rows = Rows(np.array([0, 0, 0, 2, 2, 5]), np.array([0, 1, 4, 0, 1, 2]))
    segments, logits = rng.random((6, 4), np.float32), np.eye(3, dtype=np.float32)[[2, 1, 1, 0, 2, 1]]
    pooled = pool(Embedded(rows, segments, logits), 6)
    assert pooled.present.tolist() == [True, False, True, False, False, True]
    np.testing.assert_allclose(pooled.mean[0], segments[:3].mean(0), rtol=1e-6)
    np.testing.assert_allclose(pooled.mean[[2, 5]], [segments[3:5].mean(0), segments[5]], rtol=1e-6)
    np.testing.assert_array_equal(pooled.highest[0], segments[:3].max(0))
    assert not pooled.mean[[1, 3, 4]].any()
    assert not pooled.highest[[1, 3, 4]].any()
    assert [each.tolist() for each in pooled.votes] == [[2, 1, 1], [], [0, 2], [], [], [1]]
    nothing = pool(Embedded(Rows.of([]), segments[:0], logits[:0]), 2)
    assert not nothing.present.any()
    assert [each.size for each in nothing.votes] == [0, 0]
