from __future__ import annotations

import pytest

from emostream.trainer.training.compute import limit_threads
from emostream.trainer.training.data import ClipSegments, Examples, MelSegments, Rows, face_rows, voice_rows
from tests.trainer.corpora import turns, write_corpus
from tests.trainer.training.runs import pairs


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    limit_threads(1)


@pytest.fixture(scope="session")
def segments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Examples]:
    """25 segments of voice and of face: with batches of 12, one is left over in each epoch. And pairs."""
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), turns(["ann", "bob"]))
    every = voice_rows(corpus.segments, "all"), face_rows(corpus.segments)
    heard, seen = (Rows(rows.recording[:25], rows.segment[:25]) for rows in every)
    return {
        "audio": MelSegments(corpus.segments, heard, corpus.labels),
        "varied": MelSegments(corpus.segments, heard, corpus.labels, varied=True),
        "video": ClipSegments(corpus.segments, seen, corpus.labels),
        "fusion": pairs(),
    }
