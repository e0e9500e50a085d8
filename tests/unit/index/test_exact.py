"""Exact search: the fast way gives what the definition gives, bit for bit."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from shoal.index import exact
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

METRICS = st.sampled_from(Metric)
FEW_ROWS = st.integers(1, 40)
SCALES = st.sampled_from([0.0, 1e-45, 1e-30, 1e-18, 1e-3, 1.0, 1e4, 1e18, 1e30, 3e38])


type Search = tuple[Vectors, Vectors]


@st.composite
def searches(draw: st.DrawFn, rows: st.SearchStrategy[int] = FEW_ROWS) -> Search:
    """Vectors of mixed sizes, some repeated, far from the origin or near it; the query is often one of them."""
    count, dimension = draw(rows), draw(st.sampled_from([1, 2, 3, 8, 17, 65]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    wide = rng.uniform(-1, 1, (count, dimension)) * draw(SCALES)
    if draw(st.booleans()):
        wide = np.round(wide, 1)  # many ties
    if draw(st.booleans()):
        wide *= rng.choice([1.0, 1e-3, 1e3], size=(count, 1))
    if draw(st.booleans()):
        wide += draw(SCALES)  # cancellation
    vectors: Vectors = np.clip(wide, -3.4e38, 3.4e38).astype(np.float32)
    vectors[rng.integers(0, count, count // 3)] = vectors[0]
    if draw(st.booleans()):
        query = vectors[draw(st.integers(0, count - 1))].copy()
    else:
        query = np.clip(rng.uniform(-1, 1, dimension) * draw(SCALES), -3.4e38, 3.4e38).astype(np.float32)
    return vectors, query


def defined(vectors: Vectors, query: Vectors, metric: Metric) -> Any:
    """The metric's definition in float64."""
    wide, aim = vectors.astype(np.float64), query.astype(np.float64)
    if metric is Metric.L2:
        return ((wide - aim) ** 2).sum(axis=1)
    if metric is Metric.DOT:
        return wide @ aim
    lengths = np.sqrt((wide**2).sum(axis=1)) * np.sqrt((aim**2).sum())
    return np.divide(wide @ aim, lengths, out=np.zeros(len(wide)), where=lengths > 0)


@given(searches(), METRICS)
def test_scores_are_those_of_the_definition(search: Search, metric: Metric) -> None:
    vectors, query = search
    found = exact.scores(vectors, query, metric)
    expected = np.clip(defined(vectors, query, metric), -exact.LARGEST, exact.LARGEST)
    assert np.isfinite(found).all()
    size = np.abs(vectors.astype(np.float64)) @ np.abs(query.astype(np.float64))
    allowed = {Metric.L2: expected, Metric.DOT: size, Metric.COSINE: np.ones(len(vectors))}[metric]
    tiny = 1e-38 if metric is not Metric.COSINE else 0.0
    assert (np.abs(found - expected) <= 1e-5 * allowed + tiny).all()


@given(searches())
def test_equal_vectors_are_at_distance_zero(search: Search) -> None:
    vectors, _ = search
    assert exact.scores(vectors, vectors[0].copy(), Metric.L2)[0] == 0.0


@given(searches(), METRICS, st.data())
def test_a_score_does_not_depend_on_the_rows_beside_it(
    search: Search, metric: Metric, data: st.DataObject
) -> None:
    vectors, query = search
    whole = exact.scores(vectors, query, metric)
    some = np.array(data.draw(st.lists(st.integers(0, len(vectors) - 1), min_size=1, max_size=5)))
    assert np.array_equal(exact.scores(np.ascontiguousarray(vectors[some]), query, metric), whole[some])
    assert np.array_equal(exact.scores(vectors, query, metric, norms=exact.vector_norms(vectors)), whole)


def ranked(scores: Vectors, rows: Iterable[int], k: int, metric: Metric) -> tuple[list[int], list[float]]:
    """By sorting everything."""
    sign = 1 if metric.lower_is_better else -1
    order = sorted(rows, key=lambda row: (sign * scores[row], row))[: max(k, 0)]
    return order, [scores[row] for row in order]


@given(searches(), METRICS, st.integers(-1, 50), st.booleans(), st.data())
def test_top_k_is_the_sorted_scores(
    search: Search, metric: Metric, k: int, keep_norms: bool, data: st.DataObject
) -> None:
    vectors, query = search
    every = st.sets(st.integers(0, len(vectors) - 1))
    rows = data.draw(st.none() | every)
    dead = data.draw(st.none() | every)
    alive = (set(range(len(vectors))) if rows is None else rows) - (dead or set())
    found = exact.top_k(
        vectors,
        query,
        metric,
        k,
        rows=None if rows is None else np.array(list(rows), dtype=np.uint32),
        dead=None if dead is None else BitMap(dead),
        norms=exact.vector_norms(vectors) if keep_norms else None,
    )
    expected = ranked(exact.scores(vectors, query, metric), alive, k, metric)
    assert (found[0].tolist(), found[1].tolist()) == (expected[0], expected[1])
    assert found[0].dtype == np.int64
    assert found[1].dtype == np.float32


@settings(max_examples=60)
@given(searches(rows=st.integers(600, 1500)), st.integers(1, 40), st.data())
def test_the_shortlist_never_misses(search: Search, k: int, data: st.DataObject) -> None:
    """Enough rows for the one-pass estimate of l2, with cancellation, overflow and ties."""
    vectors, query = search
    rows = None
    if data.draw(st.booleans()):
        share = data.draw(st.floats(0.05, 1.0))
        rows = np.flatnonzero(np.random.default_rng(k).random(len(vectors)) < share)
    found = exact.top_k(vectors, query, Metric.L2, k, rows=rows, norms=exact.vector_norms(vectors))
    alive = range(len(vectors)) if rows is None else rows.tolist()
    expected = ranked(exact.scores(vectors, query, Metric.L2), alive, k, Metric.L2)
    assert (found[0].tolist(), found[1].tolist()) == (expected[0], expected[1])


def test_the_shortlist_is_short_on_ordinary_vectors() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((5000, 64)).astype(np.float32)
    lengths = exact.vector_norms(vectors)
    kept = exact._shortlist(vectors, vectors[3], 10, None, lengths)
    assert kept is not None
    assert len(kept) < 40


def test_zero_vectors_score_zero_under_cosine() -> None:
    vectors = np.array([[0, 0], [1, 0], [-2, 0]], dtype=np.float32)
    assert exact.scores(vectors, vectors[1], Metric.COSINE).tolist() == [0.0, 1.0, -1.0]
    assert exact.scores(vectors, vectors[0], Metric.COSINE).tolist() == [0.0, 0.0, 0.0]


def test_norms_of_huge_and_tiny_vectors() -> None:
    vectors = np.array([[3e38, 3e38], [3e-30, 4e-30], [0, 0], [3, 4]], dtype=np.float32)
    found = exact.vector_norms(vectors)
    assert np.allclose(found[1:], [5e-30, 0, 5], rtol=1e-6)
    assert found[0] == np.float32(exact.LARGEST)


def test_rows_beyond_the_shard_are_no_dead_rows_of_it() -> None:
    vectors = np.eye(3, dtype=np.float32)
    rows, _ = exact.top_k(vectors, vectors[0], Metric.L2, 5, dead=BitMap([1, 99]))
    assert rows.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("vectors", "query"),
    [
        (np.ones((2, 3)), np.ones(3, np.float32)),
        (np.ones((2, 3), np.float32), np.ones(2, np.float32)),
        (np.ones((2, 6), np.float32)[:, ::2], np.ones(3, np.float32)),
        (np.ones(3, np.float32), np.ones(3, np.float32)),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(vectors: Vectors, query: Vectors) -> None:
    with pytest.raises(ValueError, match="of"):
        exact.scores(vectors, query, Metric.L2)
