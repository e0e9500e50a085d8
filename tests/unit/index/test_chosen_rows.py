"""The best of chosen rows of many blocks: as good as scoring each of them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.index import exact
from shoal.index.chosen_rows import top_k
from shoal.model.datasets import Metric


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), min_size=1, max_size=12),
    metric=st.sampled_from(Metric),
    k=st.integers(1, 40),
    large=st.booleans(),
)
def test_they_are_the_best(
    seed: int, sizes: list[tuple[int, float]], metric: Metric, k: int, large: bool
) -> None:
    rng = np.random.default_rng(seed)
    blocks = [
        rng.standard_normal((size * (20 if large else 1), 3)).astype(np.float32).round(1) for size, _ in sizes
    ]
    chosen = [
        np.flatnonzero(rng.random(len(block)) < share)
        for block, (_, share) in zip(blocks, sizes, strict=True)
    ]
    query = rng.standard_normal(3).astype(np.float32)
    rows = np.concatenate(chosen)
    counts = np.array([len(some) for some in chosen])
    places, scores = top_k(
        blocks, [exact.vector_norms(block) for block in blocks], rows, counts, query, metric, k
    )
    every = np.concatenate([block[some] for block, some in zip(blocks, chosen, strict=True)])
    true = exact.scores(np.ascontiguousarray(every), query, metric)
    assert np.array_equal(true[places], scores)
    assert len(set(places.tolist())) == len(places) == min(k, len(rows))
    assert np.array_equal(
        np.sort(true if metric.lower_is_better else -true)[:k], scores if metric.lower_is_better else -scores
    )
