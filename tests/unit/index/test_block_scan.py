"""Many blocks are searched as one: what exact search finds, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.index import block_scan, exact
from shoal.model.datasets import Metric

SCALES = st.sampled_from([1e-30, 1e-18, 1e-3, 1.0, 1e4, 1e18, 3e38])


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    metric=st.sampled_from(Metric),
    sizes=st.lists(st.integers(0, 900), min_size=1, max_size=6),
    dimension=st.sampled_from([1, 2, 7, 50]),
    k=st.sampled_from([0, 1, 5, 64, 2000]),
    scale=SCALES,
    offset=SCALES | st.just(0.0),
    coarse=st.booleans(),
    hidden_share=st.sampled_from([0.0, 0.01, 0.9, 1.0]),
)
def test_blocks_are_searched_like_one_matrix(
    seed: int,
    metric: Metric,
    sizes: list[int],
    dimension: int,
    k: int,
    scale: float,
    offset: float,
    coarse: bool,
    hidden_share: float,
) -> None:
    rng = np.random.default_rng(seed)
    total = sum(sizes)
    wide = rng.uniform(-1, 1, (total, dimension))
    if coarse:
        wide = np.round(wide, 1)  # many ties
    if seed % 3 == 0:
        wide *= rng.choice([0.0, 1e-3, 1.0], size=(total, 1))
    joined = np.clip(wide * scale + offset, -3e38, 3e38).astype(np.float32)
    query = np.clip(rng.uniform(-1, 1, dimension) * scale + offset, -3e38, 3e38).astype(np.float32)
    if total and seed % 2:
        query = joined[rng.integers(total)].copy()
    ends = np.cumsum(sizes)
    blocks = [joined[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    norms = [exact.vector_norms(block) for block in blocks]
    hidden = np.flatnonzero(rng.random(total) < hidden_share)
    positions, scores = block_scan.top_k(
        blocks, norms, query, metric, k, hidden=hidden if len(hidden) or seed % 5 else None
    )
    every = exact.scores(joined, query, metric)
    rows = np.setdiff1d(np.arange(total), hidden)
    expected_rows, expected = exact.top_k_of(rows, every[rows], k, metric)
    assert positions.tolist() == expected_rows.tolist()
    assert scores.tobytes() == expected.tobytes()


@pytest.mark.parametrize("metric", Metric)
def test_clustered_rows_are_mostly_ruled_out_by_products(metric: Metric) -> None:
    rng = np.random.default_rng(1)
    blocks = [
        (rng.standard_normal(50) * 3 + rng.standard_normal((1000, 50))).astype(np.float32) for _ in range(32)
    ]
    norms = np.concatenate([exact.vector_norms(block) for block in blocks])
    query = (blocks[3][7] + 0.1).astype(np.float32)
    kept = block_scan._shortlist(blocks, norms, query, metric, 10, None)
    assert kept is not None
    assert 10 <= len(kept) <= 60
