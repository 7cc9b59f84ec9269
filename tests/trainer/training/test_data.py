from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from emostream.engines.frontend.logmel import mel_input
from emostream.engines.settings import SEGMENT_SAMPLES, SHIFT_SAMPLES
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.store import SHORT_WINDOW
from emostream.trainer.training.data import ClipSegments, MelSegments, PairSegments, Rows, face_rows, voice_rows
from tests.trainer.corpora import Turn, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A whole recording, one without a face, one without sound, one that is longer."""
    return write_corpus(
        tmp_path_factory.mktemp("corpus"),
        [
            Turn("ann", "joy"),
            Turn("bob", "anger", face=False),
            Turn("cid", "sadness", sound=False),
            Turn("dot", "anger", segments=5),
        ],
    )


def test_rows_are_the_segments_that_are_there(corpus: Corpus) -> None:
    heard, seen = voice_rows(corpus.segments, "all"), face_rows(corpus.segments)
    assert heard.recording.tolist() == [0, 0, 0, 1, 1, 1, 3, 3, 3, 3, 3]
    assert heard.segment.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4]
    assert seen.recording.tolist() == [0, 0, 0, 2, 2, 2, 3, 3, 3, 3, 3]
    chosen = heard.of_recordings(np.array([True, False, True, False]))
    assert chosen.tolist() == [True] * 3 + [False] * 8
    nothing = Rows.of([np.zeros(3, bool), np.zeros(0, bool)])
    assert nothing.recording.size == nothing.segment.size == 0
    assert nothing.recording.dtype == nothing.segment.dtype == np.int64


def test_voiced_rows_leave_out_what_arrived_without_a_voice(corpus: Corpus) -> None:
    whole = corpus.segments[0]
    some = type(whole)(
        **{**vars(whole), "voiced": np.array([True, False, True]), "arrived": np.array([True, True, True])}
    )
    assert voice_rows([some], "voiced").segment.tolist() == [0, 2]
    assert voice_rows([some], "all").segment.tolist() == [0, 1, 2]


def test_examples_are_the_front_ends_segments_with_their_recordings_class(corpus: Corpus) -> None:
    heard, seen = voice_rows(corpus.segments, "all"), face_rows(corpus.segments)
    mels = MelSegments(corpus.segments, heard, corpus.labels)
    clips = ClipSegments(corpus.segments, seen, corpus.labels)
    assert len(mels) == len(clips) == 11
    assert mels.labels.tolist() == [1] * 3 + [0] * 3 + [0] * 5
    assert clips.labels.tolist() == [1] * 3 + [2] * 3 + [0] * 5
    (mel,), label = mels[7]
    samples = corpus.segments[3].samples[SHIFT_SAMPLES : SHIFT_SAMPLES + SEGMENT_SAMPLES]
    np.testing.assert_array_equal(mel, mel_input(samples))
    assert (mel.shape, label.item(), label.dtype) == ((3, 64, 64), 0, torch.int64)
    (clip,), label = clips[4]
    crops = np.fromfile(corpus.segments[2].file, np.uint8).reshape(-1, 150, 110, 3)
    np.testing.assert_array_equal(clip, crops[[4] * 4 + [5] * 4 + [6] * 4 + [7] * 4])
    assert (clip.dtype, label.item()) == (torch.uint8, 2)
    batch, labels = next(iter(DataLoader(clips, batch_size=4)))
    assert (tuple(batch[0].shape), labels.tolist()) == ((4, 16, 150, 110, 3), [1, 1, 1, 2])


def librosas(samples: np.ndarray) -> np.ndarray:
    """Log-Mel frames of a whole recording."""
    power = librosa.feature.melspectrogram(
        y=np.pad(samples, 56), sr=16_000, n_fft=512, hop_length=160, win_length=400, window="hamming", center=False,
        n_mels=64, fmin=20, fmax=8000, htk=True, norm=None,
    )  # fmt: skip
    return np.log(np.maximum(power, 1e-10))


def test_short_windows_have_their_own_deltas(corpus: Corpus) -> None:
    own = corpus.segments[3]
    count = own.mel_count(SHORT_WINDOW)
    frames = librosas(own.samples)
    assert 7 * (count - 1) + 15 <= frames.shape[1] < 7 * count + 15
    rows = Rows(np.full(count, 3), np.arange(count))
    windows = MelSegments(corpus.segments, rows, corpus.labels, SHORT_WINDOW)
    for index in (0, 4, count - 1):
        static, first, second = windows.inputs(index)[0].numpy()
        np.testing.assert_allclose(static, frames[:, 7 * index : 7 * index + 15], atol=1e-3)
        np.testing.assert_allclose(first, librosa.feature.delta(static, width=5, mode="nearest"), atol=1e-5)
        np.testing.assert_allclose(second, librosa.feature.delta(first, width=5, mode="nearest"), atol=1e-5)


def test_varied_segments_depend_on_seed_epoch_and_row_alone(corpus: Corpus) -> None:
    heard = voice_rows(corpus.segments, "all")
    still, varied = (MelSegments(corpus.segments, heard, corpus.labels, varied=each) for each in (False, True))
    found = {}
    for seed, epoch in ((0, 0), (0, 1), (7, 0), (0, 0)):
        varied.seed, varied.epoch = seed, epoch
        mels = torch.stack([varied.inputs(index)[0] for index in range(len(varied))])
        assert (mels.shape, mels.dtype) == ((11, 3, 64, 64), torch.float32)
        assert mels.isfinite().all()
        assert torch.equal(found.setdefault((seed, epoch), mels), mels)
    for first, second in ((0, 0), (0, 1)), ((0, 0), (7, 0)):
        assert all(not torch.equal(one, other) for one, other in zip(found[first], found[second], strict=True))
    still.seed, still.epoch = 7, 3
    for index in range(11):
        recording, place = heard.recording[index], heard.segment[index]
        np.testing.assert_array_equal(still.inputs(index)[0], corpus.segments[recording].mel(place))


def test_short_windows_are_never_varied(corpus: Corpus) -> None:
    rows = Rows(np.zeros(4, np.int64), np.arange(4))
    windows = MelSegments(corpus.segments, rows, corpus.labels, SHORT_WINDOW, varied=True)
    for index in range(4):
        np.testing.assert_array_equal(windows.inputs(index)[0], corpus.segments[0].mel(index, SHORT_WINDOW))


def test_pairs_carry_both_embeddings() -> None:
    rows = Rows(np.array([0, 0, 2]), np.array([0, 3, 1]))
    audio, video = torch.rand(3, 5), torch.rand(3, 4)
    pairs = PairSegments(audio, video, rows, np.array([2, 0, 1]))
    assert pairs.labels.tolist() == [2, 2, 1]
    (first, second), label = pairs[2]
    assert torch.equal(first, audio[2])
    assert torch.equal(second, video[2])
    assert label.item() == 1


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Turn("ann", "joy")])
    clips = ClipSegments(corpus.segments, face_rows(corpus.segments), corpus.labels)
    corpus.segments[0].file.unlink()
    assert len(clips) == 3
    with pytest.raises(FileNotFoundError):
        clips[0]
