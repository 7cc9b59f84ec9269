from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn import metrics as reference

from emostream.engines.backends.choose import choose_engine
from emostream.engines.bundle import FORMAT_VERSION, Bundle, Manifest
from emostream.engines.engine import HostEngine
from emostream.engines.errors import ConfigError
from emostream.engines.frontend.detectors.viola_jones import ViolaJones
from emostream.engines.heads import HEAD_NAMES
from emostream.engines.offline import OfflineRecording
from emostream.engines.recognizer import Scores
from emostream.engines.settings import SEGMENT_SAMPLES, SHIFT_SAMPLES
from emostream.trainer.actors.clip import Line, write_clip
from emostream.trainer.datasets.base import Recording
from emostream.trainer.evaluation.evaluate import (
    EVALUATED_HEADS,
    Evaluation,
    RecordingScores,
    check_classes,
    evaluate,
    recording_scores,
)
from emostream.trainer.heads.choice import LENGTHS
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import Segments, SegmentStore
from tests.conftest import LABELS
from tests.streamer.running import emotions, events_of

SCRIPTS = {
    "both": (Line("joy", 1.9),),
    "hidden": (Line("anger", 0.9), Line("anger", 2.1, face=False)),
    "silent": (Line("sadness", 1.3, speaking=False),),
}
EMOTIONS = ("anger", "joy", "sadness")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name, script in SCRIPTS.items():
        write_clip(folder / f"{name}.mp4", actor=2, script=script, size=(320, 240))
    return folder


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return Bundle.load(bundle_folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return SegmentStore(tmp_path_factory.mktemp("segments"), "viola-jones")


@pytest.fixture(scope="module")
def corpus(clips, store):
    """The three clips, of two subjects, with the second and the fifth of the bundle's labels."""
    owners = {"both": ("x", LABELS[4]), "hidden": ("x", LABELS[1]), "silent": ("y", LABELS[4])}
    recordings = tuple(Recording(f"{name}.mp4", *owners[name], clips / f"{name}.mp4") for name in sorted(SCRIPTS))
    keys = []
    for each in recordings:
        keys.append(store.key(each.path))
        with OfflineRecording(str(each.path), ViolaJones()) as whole:
            store.write(keys[-1], whole, lambda whole=whole: whole.length_s)
    return Corpus("clips", (LABELS[4], LABELS[1]), recordings, tuple(keys), store)


@pytest.mark.parametrize(
    ("clip", "engine_name", "head"),
    [
        ("both", "openvino", "fused"),
        ("both", "onnxruntime", "fused"),
        ("hidden", "onnxruntime", "audio"),
        ("silent", "onnxruntime", "video"),  # no utterance: a clip of less than 3 s is all in the window
    ],
)
def test_scores_are_those_of_the_streamer(clips, corpus, bundle, bundle_folder, clip, engine_name, head):
    row = [each.name for each in corpus.recordings].index(f"{clip}.mp4")
    engine, _ = choose_engine(engine_name, bundle)
    with engine:
        found = recording_scores(bundle, engine, corpus.segments[row])
    file = clips / f"{clip}.mp4"
    events = events_of("--fast", "--input", file, "--bundle", bundle_folder, "--engine", engine_name)
    spoken = emotions(events)
    assert found.segments == len(spoken) > 2
    assert found.chosen == head
    last = [spoken[-1], *(event for event in events if event["type"] == "utterance")]
    assert len(last) == (1 if head == "video" else 2)
    for event in last:
        assert event["head"] == head
        assert event["label"] == found.of("live").label
        assert event["scores"] == pytest.approx(found.of("live").by_label, abs=1e-3)
    for event in last[1:]:
        assert event["segments"] == found.segments
        assert event["pools"] == found.pools
    for length in ("1", "3"):  # of the pool of whichever head spoke then
        event = spoken[int(length) - 1]
        assert event["scores"] == pytest.approx(found.of(event["head"], length).by_label, abs=1e-3)
    everything = [scores.by_label for own in found.pooled.values() for scores in own.values()]
    assert max(max(own.values()) - min(own.values()) for own in everything) > 0.05  # more than nothing is compared


class MeasuringEngine(HostEngine):
    """Embeds by projecting crude features of the inputs, and keeps the batches."""

    name, device, precision = "measuring", "CPU", "fp32"

    def __init__(self, bundle):
        super().__init__(bundle)
        self.batches = []

    def load(self): ...

    def close(self): ...

    def embed(self, batch):
        self.batches.append(batch)
        return super().embed(batch)

    def run(self, role, *inputs):
        crude = np.concatenate([each.reshape(len(each), -1)[:, :: each[0].size // 8][:, :8] for each in inputs], 1)
        rng = np.random.default_rng(len(role))
        return np.tanh(crude @ rng.standard_normal((crude.shape[1], self.bundle.embedding_size(role)))).astype("f4")


@pytest.mark.parametrize(
    ("voices", "faces"),
    [
        ("11011011111011010110", "11111100111111111111"),
        ("00000000000001", "10000000000001"),
        ("1100", "0011"),
        ("11000", "00111"),
        ("0000", "0000"),
    ],
)
def test_pools_are_means_of_the_segments_that_are_there(tmp_path, bundle, voices, faces):
    rng = np.random.default_rng(5)
    count = len(voices)
    seen = np.array(list(faces)) == "1"
    crops = rng.integers(0, 255, (int(seen.sum()) + 15, 150, 110, 3), np.uint8)
    (tmp_path / "crops").write_bytes(crops.tobytes())
    frames = np.full((count, 16), -1, np.int32)
    frames[seen] = np.arange(seen.sum())[:, None] + np.arange(16)
    segments = Segments(
        key="k",
        file=tmp_path / "crops",
        length_s=count * 0.3 + 0.4,
        pictures=True,
        samples=0.1 * rng.standard_normal((count - 1) * SHIFT_SAMPLES + SEGMENT_SAMPLES).astype("f4"),
        arrived=np.ones(count, bool),
        voiced=np.array(list(voices)) == "1",
        frames=frames,
    )
    engine = MeasuringEngine(bundle)
    found = recording_scores(bundle, engine, segments)

    def embedded(role, rows, *inputs):
        return [engine.run(role, *(np.stack([each(row)]) for each in inputs))[0] for row in rows]

    rows = {
        "audio": [row for row in range(count) if voices[row] == "1"],
        "video": [row for row in range(count) if faces[row] == "1"],
        "fused": [row for row in range(count) if voices[row] == faces[row] == "1"],
    }
    expected = {
        "audio": embedded("audio", rows["audio"], segments.mel),
        "video": embedded("video", rows["video"], segments.clip),
        "fused": embedded(
            "fusion",
            rows["fused"],
            lambda row: engine.run("audio", segments.mel(row)[None])[0],
            lambda row: engine.run("video", segments.clip(row)[None])[0],
        ),
    }
    assert found.segments == count
    assert found.pools == {head: len(own) for head, own in rows.items()}
    assert set(found.pooled) == {head for head, own in rows.items() if own}
    for head, own in found.pooled.items():
        assert set(own) == set(LENGTHS)
        for name, length in LENGTHS.items():
            mean = np.mean(expected[head][:length], axis=0, dtype=np.float64).astype("f4")
            (probabilities,) = bundle.heads[head].probabilities(mean[None])
            assert own[name].head == head
            assert own[name].label == LABELS[probabilities.argmax()]
            np.testing.assert_allclose(list(own[name].by_label.values()), probabilities, atol=1e-5)
    assert max(len(batch.clip) for batch in engine.batches) <= 8
    larger = "video" if len(rows["video"]) > len(rows["audio"]) else "audio"
    if 2 * len(rows["fused"]) >= count:
        assert found.chosen == "fused"
    else:
        assert found.chosen == (larger if rows[larger] else None)
    assert (found.of("live") is None) == (voices == faces == "0000")


def test_a_data_set_with_some_of_the_labels(bundle, corpus):
    told = []
    evaluation = evaluate(bundle, MeasuringEngine(bundle), corpus, progress=told.append)
    assert tuple(told) == corpus.recordings
    assert evaluation.engine == "measuring on CPU, fp32"
    assert evaluation.labels == LABELS
    assert evaluation.truth.tolist() == [4, 1, 4]
    assert [each.chosen for each in evaluation.scores] == ["fused", "audio", "video"]
    assert {head: evaluation.figures[head, "all"].undecided for head in EVALUATED_HEADS} == {
        "live": 0,
        "fused": 1,
        "audio": 1,
        "video": 0,
    }
    silent = evaluation.probabilities("audio", "3")[2]
    assert np.isnan(silent).all()
    assert evaluation.predicted("audio", "3")[2] == -1
    np.testing.assert_allclose(evaluation.probabilities("live", "all").sum(axis=1), 1.0)
    np.testing.assert_array_equal(
        evaluation.probabilities("live", "1")[1], list(evaluation.scores[1].pooled["audio"]["1"].by_label.values())
    )
    assert evaluation.figures["live", "all"].matrix.shape == (6, 7)
    assert evaluation.figures["live", "all"].matrix.sum(axis=1).tolist() == [0, 1, 0, 0, 2, 0]


def test_a_class_that_the_bundle_does_not_know(bundle, corpus):
    bored = replace(corpus, classes=(LABELS[1], "boredom", LABELS[4]))
    engine = MeasuringEngine(bundle)
    with pytest.raises(ConfigError) as refused:
        evaluate(bundle, engine, bored)
    assert not engine.batches
    message = str(refused.value)
    assert message.startswith(f"data set clips has the class boredom, which bundle {bundle.path} doesn't know")
    assert ", ".join(LABELS) in message
    assert "--labels" in message
    assert "\n" not in message
    check_classes(bundle, "clips", corpus.classes)


def manifest(**changes):
    made = Manifest(
        format=FORMAT_VERSION,
        name="ours",
        preset="compact",
        trained=True,
        labels=EMOTIONS,
        frontend={},
        networks={},
        files={},
        training={"dataset": "rml", "recordings": 90, "subjects": 5, "content": "none", "recipe": {"audio": 3}},
        figures={},
        licence="CC0-1.0",
    )
    return msgspec.structs.replace(made, **changes)


def made_up(subjects=5, each=12, seed=0, dataset="savee", labels=EMOTIONS, **changes):
    """An evaluation with figures that are about known: fused is best, and all probabilities are honest.

    Every sixth recording has no voice, the one after it no face, the first of all neither.
    """
    rng = np.random.default_rng(seed)
    recordings, scores = [], []
    for number in range(subjects * each):
        truth = int(rng.integers(len(EMOTIONS)))
        subject = f"s{number // each + 1}"
        recordings.append(Recording(f"{subject}/{number:03}.mp4", subject, EMOTIONS[truth], Path("gone.mp4")))
        pools = {"audio": 4 * (number % 6 > 0), "video": 4 * (number % 6 != 1) * (number > 0)}
        pools["fused"] = min(pools.values())
        pooled = {}
        for head, ability in {"audio": 0.6, "video": 0.4, "fused": 2.5}.items():
            if pools[head]:
                pooled[head] = {}
                for length, share in {"1": 0.5, "3": 0.8, "all": 1.0}.items():
                    seen = rng.standard_normal(len(labels))
                    seen[labels.index(EMOTIONS[truth])] += share * ability
                    odds = np.exp(share * ability * seen)  # Bayes: of normal values around the truth
                    odds /= odds.sum()
                    by_label = dict(zip(labels, odds.tolist(), strict=True))
                    pooled[head][length] = Scores(head, max(by_label, key=by_label.get), by_label)
        chosen = next((head for head in ("fused", "audio", "video") if pools[head]), None)
        scores.append(RecordingScores(4, pools, chosen, pooled))
    bundle = Bundle(Path("ours"), Path("ours"), manifest(labels=tuple(labels), **changes), {}, 64 * "a")
    keys = tuple(f"{number:03}" for number in range(len(recordings)))
    corpus = Corpus(dataset, EMOTIONS, tuple(recordings), keys, SegmentStore(Path("gone"), "viola-jones"))
    return Evaluation(bundle, "onnxruntime on CPU, fp32", corpus, tuple(scores))


@cache
def shared_evaluation():
    """One for all tests that only read, since its intervals take a moment."""
    return made_up()


@pytest.mark.parametrize("head", EVALUATED_HEADS)
@pytest.mark.parametrize("length", LENGTHS)
def test_figures_are_scikit_learns(head, length):
    evaluation = shared_evaluation()
    own = evaluation.figures[head, length]
    truth = np.array([EMOTIONS.index(each.label) for each in evaluation.corpus.recordings])
    by = [each.chosen if head == "live" else head for each in evaluation.scores]
    found = [each.pooled.get(name, {}).get(length) for each, name in zip(evaluation.scores, by, strict=True)]
    predicted = np.array([EMOTIONS.index(each.label) if each else 3 for each in found])
    decided = predicted < 3
    odds = np.array([[each.by_label[label] for label in EMOTIONS] for each in found if each])
    assert own.undecided == {"audio": 10, "video": 11, "fused": 20, "live": 1}[head]
    assert own.decided + own.undecided == 60
    assert own.accuracy == pytest.approx(reference.accuracy_score(truth, predicted))
    recall = reference.recall_score(truth, predicted, labels=[0, 1, 2], average="macro", zero_division=0)
    assert own.macro_recall == pytest.approx(recall)
    assert own.log_loss == pytest.approx(reference.log_loss(truth[decided], odds, labels=[0, 1, 2]), abs=1e-6)
    matrix = reference.confusion_matrix(truth, predicted, labels=[0, 1, 2, 3])
    np.testing.assert_array_equal(own.matrix, matrix[:3])
    for value, (low, high) in (
        (own.accuracy, own.accuracy_interval),
        (own.macro_recall, own.recall_interval),
    ):
        assert low < value < high
        assert 0.02 < high - low < 0.5


def test_calibration_error_sees_what_is_too_sure():
    evaluation = made_up(subjects=10, each=30)
    flattered = tuple(
        replace(each, pooled={head: {k: sure(v) for k, v in own.items()} for head, own in each.pooled.items()})
        for each in evaluation.scores
    )
    honest = evaluation.figures["audio", "all"]
    vain = replace(evaluation, scores=flattered).figures["audio", "all"]
    assert vain.accuracy == honest.accuracy
    assert vain.calibration_error == pytest.approx(0.999 - vain.accuracy * 300 / vain.decided)
    assert honest.calibration_error < 0.3 * vain.calibration_error
    assert honest.log_loss < vain.log_loss


def sure(scores):
    rest = 0.001 / (len(scores.by_label) - 1)
    return replace(scores, by_label={k: 0.999 if k == scores.label else rest for k in scores.by_label})


def test_chance():
    evaluation = shared_evaluation()
    blind, frequent, label = evaluation.chance
    assert blind == pytest.approx(1 / 3)
    assert (label, round(60 * frequent)) == Counter(each.label for each in evaluation.corpus.recordings).most_common(1)[
        0
    ]


def test_a_head_that_never_decides_has_no_figures():
    whole = made_up()
    deaf = tuple(
        replace(each, chosen="video" if "video" in each.pooled else None, pooled=without(each.pooled))
        for each in whole.scores
    )
    figures = replace(whole, scores=deaf).figures
    for head in ("audio", "fused"):
        own = figures[head, "3"]
        assert (own.decided, own.undecided) == (0, 60)
        values = [own.accuracy, *own.accuracy_interval, own.macro_recall, *own.recall_interval]
        assert np.isnan([*values, own.calibration_error, own.log_loss]).all()
        assert own.matrix[:, -1].sum() == 60
    assert figures["live", "3"].accuracy == figures["video", "3"].accuracy > 0


def without(pooled):
    return {head: own for head, own in pooled.items() if head == "video"}


def test_one_subject_gives_no_intervals():
    figures = made_up(subjects=1).figures["live", "all"]
    assert figures.accuracy > 0
    assert np.isnan([*figures.accuracy_interval, *figures.recall_interval]).all()


def test_heads_are_the_bundles_and_live():
    assert set(EVALUATED_HEADS) == {*HEAD_NAMES, "live"}
