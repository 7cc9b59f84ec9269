from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emostream.engines.errors import ConfigError, TrainingError
from emostream.trainer.export import as_exported
from emostream.trainer.fusion.pretrain import pretrain
from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.fusion import DBN, FC
from emostream.trainer.networks.graphs import FusionGraph
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import SHORT_WINDOW
from emostream.trainer.training import stages as module
from emostream.trainer.training.compute import limit_threads
from emostream.trainer.training.data import MelSegments, Rows
from emostream.trainer.training.embedding import Embedded
from emostream.trainer.training.stages import FusionVariant, Pairs, Stages
from tests.trainer.corpora import SUBJECTS, TINY, TINY_RECIPE, Turn, plan, turns, write_corpus

STILL = replace(TINY_RECIPE, fusion=replace(TINY_RECIPE.fusion, optimiser="sgd", rate=0.0, one_cycle=False, epochs=1))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Three people; the last one has a recording without a face and one without sound."""
    whole = turns(SUBJECTS[:3], takes=1)
    return write_corpus(
        tmp_path_factory.mktemp("corpus"),
        [*whole[:-2], replace(whole[-2], face=False), replace(whole[-1], sound=False)],
    )


@pytest.fixture(scope="module")
def others(corpus: Corpus) -> np.ndarray:
    """Whom to train on: all but the first."""
    return corpus.subjects != SUBJECTS[0]


@pytest.fixture(scope="module")
def stages(corpus: Corpus, others: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    limit_threads(1)
    return Stages(corpus, others, plan(), tmp_path_factory.mktemp("stages"))


@pytest.fixture(scope="module")
def embedded(stages: Stages) -> tuple[Embedded, Embedded]:
    return stages.audio()[1], stages.video()[1]


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained where nothing was to train")

    monkeypatch.setattr(module, "train", refuse)


def test_embeddings_are_of_every_recording_and_training_of_the_chosen(
    corpus: Corpus, stages: Stages, embedded: tuple[Embedded, Embedded], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    audio, video = embedded
    assert audio.features.shape == (24, 10)
    assert video.features.shape == (24, 8)
    assert set(audio.rows.recording.tolist()) == set(range(9)) - {8}
    assert set(video.rows.recording.tolist()) == set(range(9)) - {7}
    assert {path.name for path in stages.place.iterdir()} == {"audio", "video"}
    seen: dict[str, list[Any]] = {}
    monkeypatch.setattr(module, "train", lambda graph, own, *_, **__: seen.update({graph.role: [own]}))
    fresh = Stages(corpus, stages.trained, stages.plan, tmp_path)
    audio_graph, video_graph = fresh.audio()[0], fresh.video()[0]
    for role, count in (("audio", 15), ("video", 15)):
        (own,) = seen[role]
        assert set(own.rows.recording.tolist()) <= set(np.flatnonzero(stages.trained).tolist())
        assert len(own) == count
    (heard,), (watched,) = seen["audio"], seen["video"]
    still = MelSegments(corpus.segments, heard.rows, corpus.labels)
    assert torch.equal(heard.inputs(0)[0], still.inputs(0)[0])
    fresh.audio(varied=True)
    (varied,) = seen["audio"]
    assert not torch.equal(varied.inputs(0)[0], still.inputs(0)[0])
    mels, clips = (torch.stack([own.inputs(i)[0] for i in range(15)]) for own in (still, watched))
    assert float(audio_graph.prepare(mels).mean().abs()) < 1e-3  # standardised by the chosen alone
    assert float(video_graph.prepare(clips).mean().abs()) < 1e-3


def test_what_is_finished_is_loaded_to_the_same_bits(
    corpus: Corpus, stages: Stages, embedded: tuple[Embedded, Embedded], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_training(monkeypatch)
    again = Stages(corpus, stages.trained, stages.plan, stages.place)
    for found, before in zip((again.audio()[1], again.video()[1]), embedded, strict=True):
        np.testing.assert_array_equal(found.features, before.features)
        np.testing.assert_array_equal(found.logits, before.logits)


def test_original_features_need_no_training_and_leave_nothing(
    corpus: Corpus, others: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_training(monkeypatch)
    fresh = Stages(corpus, others, plan(), tmp_path / "none")
    graph, audio = fresh.audio(original=True)
    assert not (tmp_path / "none").exists()
    assert fresh.video(original=True)[1].features.any()
    np.testing.assert_array_equal(fresh.audio(original=True)[1].features, audio.features)
    other = Stages(corpus, others, plan(seed=4), tmp_path / "none").audio(original=True)[1]
    assert not np.array_equal(other.features, audio.features)
    mel = torch.from_numpy(corpus.segments[0].mel(0))[None]
    with torch.inference_mode():
        np.testing.assert_allclose(audio.features[0], graph.eval()(mel)[0], rtol=1e-4, atol=1e-6)


def test_the_fine_tuned_network_begins_where_the_original_is(
    corpus: Corpus, others: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "train", lambda *_, **__: None)
    fresh = Stages(corpus, others, plan(), tmp_path)
    for stage in (fresh.audio, fresh.video):
        np.testing.assert_array_equal(stage()[1].features, stage(original=True)[1].features)


def test_short_windows_have_a_network_of_their_own(stages: Stages, embedded: tuple[Embedded, Embedded]) -> None:
    _, short = stages.audio(SHORT_WINDOW)
    counts = [each.mel_count(SHORT_WINDOW) for each in stages.corpus.segments]
    assert np.bincount(short.rows.recording, minlength=9).tolist() == counts
    assert counts[8] == 0 < counts[0]
    assert (stages.place / "audio-15" / "weights.pt").is_file()


def test_pairs_are_aligned_segment_by_segment() -> None:
    def made(recordings: list[int], places: list[int], width: int) -> Embedded:
        marks = np.array([100 * r + s for r, s in zip(recordings, places, strict=True)], np.float32)
        return Embedded(
            Rows(np.array(recordings), np.array(places)), np.repeat(marks[:, None], width, 1), np.zeros((len(marks), 3))
        )

    pairs = Pairs.of(made([0, 0, 1, 3, 3], [0, 2, 1, 0, 4], 2), made([0, 0, 2, 3, 3], [1, 2, 1, 4, 5], 3))
    assert pairs.rows.recording.tolist() == [0, 3]
    assert pairs.rows.segment.tolist() == [2, 4]
    assert pairs.audio.tolist() == [[2, 2], [304, 304]]
    assert pairs.video.tolist() == [[2, 2, 2], [304, 304, 304]]
    some = pairs.only(np.array([True, True, True, False]))
    assert (some.rows.recording.tolist(), some.rows.segment.tolist()) == ([0], [2])
    assert (some.audio.tolist(), some.video.tolist()) == ([[2, 2]], [[2, 2, 2]])
    none = Pairs.of(made([0], [1], 2), made([1], [1], 3))
    assert (len(none.rows.recording), tuple(none.audio.shape), tuple(none.video.shape)) == (0, (0, 2), (0, 3))


@pytest.fixture(scope="module")
def pairs(embedded: tuple[Embedded, Embedded]) -> Pairs:
    found = Pairs.of(*embedded)
    assert set(found.rows.recording.tolist()) == set(range(7))
    return found


def test_variants_are_the_networks_they_name(corpus: Corpus, others: np.ndarray, pairs: Pairs, tmp_path: Path) -> None:
    fresh = Stages(corpus, others, plan(recipe=STILL), tmp_path)  # the supervised part changes nothing
    networks: dict[str, Any] = {}
    for name, variant in {
        "dbn": FusionVariant(),
        "random": FusionVariant(pretrained=False),
        "fc": FusionVariant("fc", depth=3),
        "standard": FusionVariant(depth=1, scaling="standard"),
    }.items():
        graph, joint = fresh.fusion(variant, name, pairs, 0.2)
        networks[name] = graph.network
        assert joint.rows is pairs.rows
        assert joint.features.shape == (21, graph.network.output.in_features)
        assert (tmp_path / name / "machines.csv").exists() == (name in {"dbn", "standard"})
    widths = {name: [layer.out_features for layer in each.layers] for name, each in networks.items()}
    assert widths == {"dbn": [12, 8], "random": [12, 8], "fc": [12, 8, 6], "standard": [12]}
    assert {name: type(each) for name, each in networks.items()} == {
        "dbn": DBN,
        "random": DBN,
        "fc": FC,
        "standard": DBN,
    }
    assert {name: each.clipped for name, each in networks.items()} == {
        "dbn": True,
        "random": True,
        "fc": True,
        "standard": False,
    }
    given = pairs.only(others)
    own = torch.cat([given.audio, given.video], dim=1)
    torch.testing.assert_close(networks["dbn"].scaling.offset, own.min(dim=0).values)
    torch.testing.assert_close(networks["standard"].scaling.offset, own.mean(dim=0))
    for layer in networks["random"].layers:  # Glorot's, four times as large
        bound = 4 * (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert 0.8 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert not layer.bias.any()
    for layer in networks["fc"].layers:  # He's
        assert 0.6 < float(layer.weight.detach().std()) / (2 / layer.in_features) ** 0.5 < 1.4

    with (tmp_path / "dbn" / "machines.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["layer"], row["epoch"]) for row in rows] == [("1", "1"), ("2", "1")]
    assert {"cross_entropy", "squared_error", "free_energy"} <= set(rows[0])
    by_hand = DBN(3, 10, 8, TINY.fusion)
    by_hand.fit_scaling(given.audio, given.video)
    pretrain(by_hand, given.audio, given.video, replace(STILL.rbm, rate=0.2), fresh._seed("dbn machines"))
    for mine, found in zip(by_hand.layers, networks["dbn"].layers, strict=True):
        assert torch.equal(mine.weight, found.weight)
        assert torch.equal(mine.bias, found.bias)


def test_the_fusion_network_learns_from_frozen_embeddings(
    corpus: Corpus, others: np.ndarray, pairs: Pairs, tmp_path: Path
) -> None:
    audio, video = pairs.audio.clone(), pairs.video.clone()
    before, after = (
        Stages(corpus, others, plan(recipe=recipe), tmp_path / name).fusion(FusionVariant(), "dbn", pairs, 0.2)[0]
        for name, recipe in (("before", STILL), ("after", TINY_RECIPE))
    )
    for mine, other in zip(before.network.layers, after.network.layers, strict=True):
        assert not torch.equal(mine.weight, other.weight)  # back-propagation goes through all layers
    assert torch.equal(pairs.audio, audio)
    assert torch.equal(pairs.video, video)


def test_networks_are_trained_again_when_what_they_depend_on_changed_and_only_then(
    corpus: Corpus, others: np.ndarray, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def note(graph: Any, own: Any, schedule: Any, place: Path, *, identity: str, **_: object) -> None:
        trained.append(graph.role)
        place.mkdir(parents=True, exist_ok=True)
        (place / "identity").write_text(identity)
        torch.save(graph.state_dict(), place / "weights.pt")

    monkeypatch.setattr(module, "train", note)

    def all_three(**changes: Any) -> list[str]:
        trained.clear()
        fresh = Stages(changes.pop("corpus", corpus), changes.pop("trained", others), plan(**changes), tmp_path)
        fresh.audio()
        fresh.video()
        fresh.fusion(FusionVariant(), "dbn", pairs, 0.2)
        return list(trained)

    assert all_three() == ["audio", "video", "fusion"]
    assert all_three() == []
    other_fusion = replace(TINY_RECIPE, fusion=replace(TINY_RECIPE.fusion, epochs=9))
    assert all_three(recipe=other_fusion) == ["fusion"]
    other_audio = replace(other_fusion, audio=replace(TINY_RECIPE.audio, epochs=9))
    assert all_three(recipe=other_audio) == ["audio", "fusion"]
    assert all_three(recipe=other_audio, seed=9) == ["audio", "video", "fusion"]
    weights = tmp_path / "c3d.pth"
    torch.save(C3D(3, TINY.video).state_dict(), weights)
    assert all_three(recipe=other_audio, seed=9, video_weights=weights) == ["video", "fusion"]
    torch.save(C3D(3, TINY.video).state_dict(), weights)
    assert all_three(recipe=other_audio, seed=9, video_weights=weights) == ["video", "fusion"]  # other content
    tested, *rest = corpus.recordings
    relabelled = replace(corpus, recordings=(replace(tested, label="joy"), *rest))
    assert all_three(recipe=other_audio, seed=9, video_weights=weights, corpus=relabelled) == []  # not trained on
    *rest, learnt = corpus.recordings
    relabelled = replace(corpus, recordings=(*rest, replace(learnt, label="joy")))
    assert all_three(recipe=other_audio, seed=9, video_weights=weights, corpus=relabelled) == [
        "audio",
        "video",
        "fusion",
    ]


def test_an_inner_training_depends_on_whose_embeddings_it_fuses(
    corpus: Corpus, others: np.ndarray, pairs: Pairs, tmp_path: Path
) -> None:
    def inner(recordings: Corpus) -> bytes:
        """The weights of a fusion network inside, trained on the second person alone."""
        inside = Stages(recordings, others, plan(), tmp_path).inside(corpus.subjects == SUBJECTS[1], "inner")
        assert corpus.subjects[inside.trained].tolist() == [SUBJECTS[1]] * 3
        graph, _ = inside.fusion(FusionVariant(), "rate", pairs, 0.2)
        assert isinstance(graph, FusionGraph)
        return (tmp_path / "inner" / "rate" / "identity").read_bytes()

    *rest, learnt = corpus.recordings  # of the third person, whom the embeddings come from too
    assert inner(corpus) == inner(corpus)
    assert inner(replace(corpus, recordings=(*rest, replace(learnt, label="joy")))) != inner(corpus)


def test_initial_weights_come_from_the_users_files(
    corpus: Corpus, others: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_training(monkeypatch)
    torch.manual_seed(0)
    colour = replace(TINY, video=replace(TINY.video, grey=False))
    alexnet, c3d = AlexNet(7, colour.audio), C3D(7, colour.video)
    torch.save(alexnet.state_dict(), tmp_path / "alexnet.pth")
    torch.save(c3d.state_dict(), tmp_path / "c3d.pth")
    files = {"audio_weights": tmp_path / "alexnet.pth", "video_weights": tmp_path / "c3d.pth"}
    wanted = plan(preset=colour, video_bgr=True, **files)
    fresh = Stages(corpus, others, wanted, tmp_path)
    heard, seen = fresh.audio(original=True)[0], fresh.video(original=True)[0]
    assert torch.equal(heard.network.features[0].weight, alexnet.features[0].weight)
    assert torch.equal(seen.network.conv2.weight, c3d.conv2.weight)
    assert torch.equal(seen.network.conv1.weight, c3d.conv1.weight.flip(1))  # BGR
    assert seen.mean.flatten().tolist() == pytest.approx([101.41, 97.66, 90.25])  # of Sports-1M, not of the fold
    assert seen.std == 1.0
    assert [report.file for report in wanted.initial_weights()] == list(files.values())
    assert plan().initial_weights() == ()
    (tmp_path / "c3d.pth").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=r"c3d.pth"):
        wanted.initial_weights()


def test_embeddings_are_those_of_the_finished_form(
    corpus: Corpus, others: np.ndarray, stages: Stages, embedded: tuple[Embedded, Embedded]
) -> None:
    graph, exported = Stages(corpus, others, stages.plan, stages.place, finish=as_exported).audio()
    assert not any(isinstance(each, torch.nn.BatchNorm2d) for each in graph.modules())
    np.testing.assert_allclose(exported.features, embedded[0].features, atol=0.02)
    assert not np.array_equal(exported.features, embedded[0].features)  # FP16 weights


def test_nothing_to_train_on_is_named(tmp_path: Path) -> None:
    silent = write_corpus(tmp_path, [Turn(subject, "joy", sound=False) for subject in SUBJECTS[:2]])
    trained = silent.subjects == SUBJECTS[0]
    fresh = Stages(silent, trained, plan(), tmp_path / "fold")
    expected = "fold: 0 segments to train the audio network on, expected two or more; check `prepare`'s report"
    with pytest.raises(TrainingError, match=expected):
        fresh.audio()
    with pytest.raises(TrainingError, match=expected):
        fresh.audio(original=True)
    blank = np.zeros((0, 10), np.float32)
    nothing = Embedded(Rows.of([]), blank, blank)
    with pytest.raises(TrainingError, match="fold: 0 segments to train the fusion network on"):
        fresh.fusion(FusionVariant(), "dbn", Pairs.of(nothing, nothing), 0.2)


def test_machines_that_cannot_be_logged_are_one_error(
    corpus: Corpus, others: np.ndarray, pairs: Pairs, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"work in .*file/dbn stops: .*Not a directory.*run the same command again"):
        Stages(corpus, others, plan(), tmp_path / "file").fusion(FusionVariant(), "dbn", pairs, 0.2)
