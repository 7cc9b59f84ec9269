from __future__ import annotations

import numpy as np
import pytest
import torch

from emostream.trainer.networks.fusion import FC
from emostream.trainer.networks.graphs import FusionGraph
from emostream.trainer.training import embedding
from emostream.trainer.training.data import PairSegments, Rows
from emostream.trainer.training.embedding import embed
from tests.trainer.corpora import CPU, TINY


@pytest.fixture
def graph() -> FusionGraph:
    torch.manual_seed(0)
    return FusionGraph(FC(3, 10, 8, TINY.fusion), 10, 8)


def pairs(count: int) -> PairSegments:
    generator = torch.Generator().manual_seed(1)
    rows = Rows(np.arange(count), np.zeros(count, np.int64))
    return PairSegments(*(torch.rand(count, size, generator=generator) for size in (10, 8)), rows, rows.segment)


@pytest.mark.parametrize("count", [1, 32, 70])
def test_embeddings_and_logits_are_the_networks_in_order(graph: FusionGraph, count: int) -> None:
    examples = pairs(count)
    found = embed(graph.train(), examples, np.arange(count) % 3 == 0, CPU)
    with torch.inference_mode():
        features = graph.eval()(examples.audio, examples.video)
        np.testing.assert_allclose(found.features, features, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found.logits, graph.network.classify(features), rtol=1e-5, atol=1e-6)
    assert found.features.dtype == found.logits.dtype == np.float32
    assert found.rows is examples.rows


def test_nothing_gives_nothing_of_the_right_shape(graph: FusionGraph) -> None:
    found = embed(graph, pairs(0), np.zeros(0, bool), CPU)
    assert found.features.shape == (0, 8)
    assert found.logits.shape == (0, 3)


def test_who_is_tested_shares_no_batch_with_who_is_learnt_from(
    graph: FusionGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_BATCH", 4)
    batches: list[list[float]] = []
    original = graph.forward
    monkeypatch.setattr(
        graph, "forward", lambda audio, video: batches.append(audio[:, 0].tolist()) or original(audio, video)
    )
    examples = pairs(9)
    trained = np.array([True, False, True, True, False, True, True, True, False])
    embed(graph, examples, trained, CPU)
    marks = examples.audio[:, 0].numpy()
    assert batches == [marks[[0, 2, 3, 5]].tolist(), marks[[6, 7]].tolist(), marks[[1, 4, 8]].tolist()]
