"""Prepared recordings as training sees them."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emostream.engines.errors import DataError
from emostream.trainer.datasets.base import DataSet, Recording
from emostream.trainer.segments.corpus import Corpus
from emostream.trainer.segments.prepare import PreparedRecording, PreparedSet
from emostream.trainer.segments.store import SegmentStore
from tests.trainer.segments.test_store import assert_same, made_up

FACES = {"a/1.mp4": "ff", "a/2.mp4": "f-f", "b/1.mp4": "-"}
LABELS = {"a/1.mp4": "joy", "a/2.mp4": "anger", "b/1.mp4": "joy"}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    store = SegmentStore(tmp_path / "cache", "detector")
    recordings = tuple(Recording(name, name[0], LABELS[name], tmp_path / name) for name in FACES)
    keys = (f"key of {each.name[0]}{each.name[2]}" for each in recordings)
    prepared = tuple(
        PreparedRecording(each, store.write(key, made_up(FACES[each.name]), lambda: 1.0))
        for each, key in zip(recordings, keys, strict=True)
    )
    return Corpus.of(
        PreparedSet(DataSet("drawn", ("joy", "anger"), recordings, "subjects", {}), prepared, problems=()), store
    )


def test_arrays_over_recordings(corpus: Corpus) -> None:
    assert corpus.dataset == "drawn"
    assert corpus.labels.tolist() == [0, 1, 0]  # in the order of the classes, not of the alphabet
    assert corpus.labels.dtype == np.int64
    assert corpus.subjects.tolist() == ["a", "a", "b"]
    for segments, faces in zip(corpus.segments, FACES.values(), strict=True):
        assert_same(segments, list(made_up(faces)))


def test_it_travels_as_names(corpus: Corpus) -> None:
    assert corpus.segments[0].clip(0).any()
    assert corpus.labels.size == 3
    packed = pickle.dumps(corpus)
    assert len(packed) < 2000
    again = pickle.loads(packed)
    assert again.recordings == corpus.recordings
    assert_same(again.segments[1], list(made_up("f-f")))


def test_segments_that_are_gone_are_named(corpus: Corpus) -> None:
    shutil.rmtree(corpus.segments[1].file.parent)
    again = pickle.loads(pickle.dumps(corpus))
    with pytest.raises(DataError, match=r"the segments of a/1\.mp4 are gone from .*cache; run the same command again"):
        _ = again.segments


def test_an_identity_is_of_content_and_labels(corpus: Corpus) -> None:
    chosen = np.array([True, True, False])
    identity = corpus.identity(chosen)
    first, second, third = corpus.recordings
    moved = replace(first, name="z.mp4", subject="z", path=Path("z.mp4"))
    same = [
        replace(corpus, recordings=(moved, second, third)),
        replace(corpus, recordings=(first, second, replace(third, label="anger"))),
        replace(corpus, keys=(*corpus.keys[:2], "another")),
        pickle.loads(pickle.dumps(corpus)),
    ]
    others = [
        replace(corpus, recordings=(replace(first, label="anger"), second, third)),
        replace(corpus, keys=("another", *corpus.keys[1:])),
        replace(corpus, classes=("anger", "joy")),
    ]
    assert {each.identity(chosen) for each in same} == {identity}
    assert len({identity, corpus.identity(~chosen), *(each.identity(chosen) for each in others)}) == 5
