from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from emostream.trainer.networks.alexnet import AlexNet
from emostream.trainer.networks.c3d import C3D
from emostream.trainer.networks.graphs import AudioGraph, VideoGraph
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.training import statistics
from emostream.trainer.training.data import ClipSegments, MelSegments, face_rows, voice_rows
from emostream.trainer.training.statistics import fit_audio_statistics, fit_video_statistics
from tests.trainer.corpora import TINY, turns, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """54 segments: four batches of 15 and a smaller one."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), turns(["ann", "bob", "cid"]))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_BATCH", 15)


def resized(pictures: np.ndarray, size: int) -> np.ndarray:
    """[n, H, W] resized by OpenCV, in float64."""
    return np.stack([cv2.resize(each, (size, size), interpolation=cv2.INTER_LINEAR) for each in pictures]).astype(float)


def test_audio_statistics_are_those_of_every_pixel_over_all_segments(corpus: Corpus) -> None:
    blank = torch.full((3, 63, 63), 7.0)
    graph = AudioGraph(AlexNet(3, TINY.audio), TINY.audio, blank, blank)
    mels = MelSegments(corpus.segments, voice_rows(corpus.segments, "all"), corpus.labels)
    fit_audio_statistics(graph, mels)
    whole = np.stack([np.stack([resized(mels.inputs(i)[0].numpy(), 63)]) for i in range(len(mels))])[:, 0]
    assert whole.shape == (54, 3, 63, 63)
    np.testing.assert_allclose(graph.standardise.offset, whole.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(1 / graph.standardise.scale, whole.std(axis=0), rtol=2e-3)
    prepared = graph.prepare(torch.stack([mels.inputs(i)[0] for i in range(len(mels))]))
    np.testing.assert_allclose(prepared.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(prepared.std(0, correction=0), 1, rtol=1e-3)


def test_pixels_that_never_change_become_zero(corpus: Corpus) -> None:
    blank = torch.zeros(3, 63, 63)
    graph = AudioGraph(AlexNet(3, TINY.audio), TINY.audio, blank, blank)
    mels = MelSegments(corpus.segments, voice_rows(corpus.segments, "all"), corpus.labels)
    one = MelSegments(corpus.segments, type(mels.rows)(*np.zeros((2, 40), np.int64)), corpus.labels)
    fit_audio_statistics(graph, one)
    assert not graph.prepare(mels.inputs(1)[0][None]).any()


@pytest.mark.parametrize("grey", [True, False])
def test_video_statistics_are_a_mean_for_each_plane_and_one_deviation(corpus: Corpus, grey: bool) -> None:
    shape = replace(TINY.video, grey=grey)
    graph = VideoGraph(C3D(3, shape), shape, torch.full((shape.planes, 1, 1, 1), 3.0), 9.0)
    clips = ClipSegments(corpus.segments, face_rows(corpus.segments), corpus.labels)
    fit_video_statistics(graph, clips)
    whole = np.stack([clips.inputs(i)[0].numpy() for i in range(len(clips))])[:, ::4].astype(np.float32)
    planes = whole @ np.float32([[0.299], [0.587], [0.114]]) if grey else whole
    pixels = np.stack([resized(planes[..., plane].reshape(-1, 150, 110), 32) for plane in range(shape.planes)])
    np.testing.assert_allclose(graph.mean.flatten(), pixels.mean(axis=(1, 2, 3)), rtol=1e-5)
    centred = pixels - pixels.mean(axis=(1, 2, 3), keepdims=True)
    assert graph.std == pytest.approx(centred.std(), rel=1e-5)


def test_a_picture_without_contrast_is_left_as_it_is(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = VideoGraph(C3D(3, TINY.video), TINY.video, torch.zeros(1, 1, 1, 1), 9.0)
    clips = ClipSegments(corpus.segments, face_rows(corpus.segments), corpus.labels)
    monkeypatch.setattr(clips, "inputs", lambda index: (torch.full((16, 150, 110, 3), 255, dtype=torch.uint8),))
    fit_video_statistics(graph, clips)
    assert graph.std == 1.0
    assert float(graph.mean) == pytest.approx(255.0, rel=1e-5)
