from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emostream.engines.errors import DataError
from emostream.engines.pooling import Pool
from emostream.trainer.heads.prefixes import prefix_lengths, prefix_means, prefix_rows


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.integers(1, 4)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_means_are_the_live_pools(features):
    pool, live = Pool(), []
    for feature in features:
        pool.add(feature)
        live.append(pool.mean())
    np.testing.assert_array_equal(prefix_means(features), np.stack(live))


def test_lengths():
    assert prefix_lengths(0) == []
    assert prefix_lengths(1) == [1]
    assert prefix_lengths(2) == [1, 2]
    assert prefix_lengths(3) == [1, 2, 3]
    assert prefix_lengths(4) == [1, 2, 3, 4]
    assert prefix_lengths(35) == [1, 2, 3, 5, 8, 13, 21, 34, 35]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any))
def test_rows(lengths):
    rng = np.random.default_rng(len(lengths))
    recordings = [rng.standard_normal((length, 3)).astype(np.float32) for length in lengths]
    rows = prefix_rows(recordings)
    for index, features in enumerate(recordings):
        own = rows.recordings == index
        assert rows.lengths[own].tolist() == prefix_lengths(len(features))
        np.testing.assert_array_equal(rows.features[own], prefix_means(features)[rows.lengths[own] - 1])
        if len(features):
            np.testing.assert_allclose(rows.weights[own].sum(), 1.0)
    assert rows.features.dtype == np.float32
    heard = [length for length in lengths if length]
    for length in (1, 3, 8, None):
        at = rows.at(length)
        assert rows.lengths[at].tolist() == [have if length is None else min(have, length) for have in heard]
        assert rows.recordings[at].tolist() == [index for index, have in enumerate(lengths) if have]


def test_no_segment_at_all():
    with pytest.raises(DataError, match="none of 2 recordings"):
        prefix_rows([np.empty((0, 3), np.float32)] * 2)
