"""Graphs against exact search: as many results as there can be, the right scores, and no file taken on trust."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index import exact
from shoal.index.graph import Graph, NeedsRebuild, build_graph, load_graph
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

METRICS = list(Metric)


def cloud(rows: int, dimension: int, *, seed: int = 0, scale: float = 1.0) -> Vectors:
    found: Vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return found * np.float32(scale)


def reopened(graph: Graph) -> Graph:
    return load_graph(graph.save(), dimension=graph.dimension, metric=graph.metric, rows=len(graph))


def assert_scores(graph: Graph, vectors: Vectors, query: Vectors, rows: list[int], scores: Vectors) -> None:
    """Best first, ties by row, and the scores of exact search to rounding."""
    sign = 1 if graph.metric.lower_is_better else -1
    ranked = [(sign * score, row) for score, row in zip(scores.tolist(), rows, strict=True)]
    assert ranked == sorted(ranked)
    expected = exact.scores(np.ascontiguousarray(vectors[rows]), query, graph.metric)
    lengths = exact.vector_norms(np.ascontiguousarray(vectors[rows])).astype(np.float64)
    size: Any = {
        Metric.L2: np.abs(expected),
        Metric.COSINE: 1.0,
        Metric.DOT: lengths * float(np.linalg.norm(query.astype(np.float64))),
    }[graph.metric]
    assert (np.abs(scores.astype(np.float64) - expected) <= 1e-5 * size + 1e-38).all()


@settings(max_examples=80)
@given(
    st.sampled_from(METRICS),
    st.integers(1, 120),
    st.integers(1, 20),
    st.sampled_from([1e-15, 1e-3, 1.0, 1e6, 1e15]),
    st.integers(0, 2**32),
    st.data(),
)
def test_exactly_k_live_rows_with_the_scores_of_exact_search(
    metric: Metric, count: int, dimension: int, scale: float, seed: int, data: st.DataObject
) -> None:
    vectors = cloud(count, dimension, seed=seed, scale=scale)
    vectors[data.draw(st.integers(0, count - 1)) :: 3] = vectors[0]
    vectors[data.draw(st.integers(0, count - 1))] = 0
    graph = build_graph(vectors, metric, m=data.draw(st.sampled_from([2, 16])), threads=1)
    if data.draw(st.booleans()):
        graph = reopened(graph)
    for _ in range(3):
        dead = BitMap(data.draw(st.sets(st.integers(0, count - 1), max_size=count)))
        query = vectors[data.draw(st.integers(0, count - 1))].copy()
        k = data.draw(st.integers(0, count + 5))
        rows, scores = graph.search(query, k, data.draw(st.integers(1, 50)), dead)
        assert rows.dtype == np.int64
        assert scores.dtype == np.float32
        assert len(rows) == len(set(rows.tolist())) == min(k, count - len(dead))
        assert not set(rows.tolist()) & set(dead)
        assert_scores(graph, vectors, query, rows.tolist(), scores)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e18])
def test_it_finds_what_exact_search_finds(metric: Metric, scale: float) -> None:
    vectors = cloud(2000, 16, scale=scale)
    vectors *= np.linspace(0.8, 1.2, len(vectors), dtype=np.float32)[:, None]
    graph = reopened(build_graph(vectors, metric))
    dead = BitMap(range(0, 2000, 5))
    hits = 0
    for row in range(0, 1000, 50):
        query = vectors[row] + vectors[row + 1]
        expected, _ = exact.top_k(vectors, query, metric, 10, dead=dead)
        found, _ = graph.search(query, 10, 200, dead)
        hits += len(set(expected.tolist()) & set(found.tolist()))
    assert hits / 200 >= 0.95


def test_an_equal_vector_is_at_distance_zero() -> None:
    vectors = cloud(300, 33)
    graph = reopened(build_graph(vectors, Metric.L2))
    for row in range(0, 300, 7):
        rows, scores = graph.search(vectors[row], 1, 50)
        assert (rows.tolist(), scores.tolist()) == ([row], [0.0])


def test_rows_that_no_walk_reaches_are_found_all_the_same() -> None:
    """A thousand equal rows fill each other's links: the graph falls apart, the answer does not."""
    vectors = np.repeat(cloud(6, 4), 200, axis=0)
    graph = build_graph(vectors, Metric.L2, m=2, ef_construction=10)
    dead = BitMap(range(100, 1100))
    rows, scores = graph.search(vectors[0], 200, 10, dead)
    assert rows.tolist() == [*range(100), *range(1100, 1200)]
    assert (scores[:100] == 0).all()


def test_the_last_live_rows_of_many_are_searched_exactly() -> None:
    vectors = cloud(3000, 8)
    graph = build_graph(vectors, Metric.DOT)
    alive = [5, 77, 1234, 2999]
    dead = BitMap(range(3000)) - BitMap(alive)
    rows, scores = graph.search(vectors[77], 3, 64, dead)
    expected = exact.top_k(vectors, vectors[77], Metric.DOT, 3, dead=dead)
    assert rows.tolist() == expected[0].tolist()
    assert np.allclose(scores, expected[1], rtol=1e-6)


def test_dead_rows_come_and_go() -> None:
    vectors = cloud(50, 4)
    graph = build_graph(vectors, Metric.COSINE)
    assert graph.search(vectors[3], 1, 50)[0].tolist() == [3]
    assert graph.search(vectors[3], 1, 50, BitMap([3]))[0].tolist() != [3]
    assert graph.search(vectors[3], 1, 50, BitMap([4]))[0].tolist() == [3]
    assert graph.search(vectors[3], 50, 50, BitMap(range(50)))[0].tolist() == []
    assert graph.search(vectors[3], 1, 50)[0].tolist() == [3]
    with pytest.raises(CorruptObject, match="row 50 is dead"):
        graph.search(vectors[3], 1, 50, BitMap([50]))


def test_dead_rows_are_not_saved() -> None:
    vectors = cloud(50, 4)
    graph = build_graph(vectors, Metric.L2)
    graph.search(vectors[3], 1, 50, BitMap([3]))
    assert reopened(graph).search(vectors[3], 1, 50)[0].tolist() == [3]
    assert graph.search(vectors[3], 1, 50, BitMap([3]))[0].tolist() != [3]


@pytest.mark.parametrize("metric", METRICS)
def test_a_graph_can_grow_after_it_was_loaded(metric: Metric) -> None:
    vectors = cloud(400, 8)
    vectors /= exact.vector_norms(vectors)[:, None]
    graph = reopened(build_graph(vectors[:300], metric))
    graph.extend(vectors[300:350])
    graph.extend(vectors[:0])
    graph = reopened(graph)
    graph.extend(vectors[350:])
    assert len(graph) == 400
    for row in (0, 299, 300, 349, 350, 399):
        rows, scores = graph.search(vectors[row], 3, 100)
        assert rows[0] == row
        assert_scores(graph, vectors, vectors[row], rows.tolist(), scores)


def test_a_longer_vector_needs_a_rebuild_under_dot_only() -> None:
    vectors = cloud(100, 4)
    longer = vectors[:1] * np.float32(100)
    graph = reopened(build_graph(vectors, Metric.DOT))
    with pytest.raises(NeedsRebuild):
        graph.extend(np.concatenate([vectors[:3], longer]))
    assert len(graph) == 100
    for metric in (Metric.L2, Metric.COSINE):
        graph = build_graph(vectors, metric)
        graph.extend(longer)
        assert graph.search(longer[0], 1, 50)[0][0] in (0, 100)
    with pytest.raises(NeedsRebuild):
        build_graph(vectors, Metric.L2).extend(vectors * np.float32(1e30))


def test_scores_stay_finite_beyond_float32() -> None:
    vectors = np.full((20, 3), 3e38, dtype=np.float32)
    vectors[10:] *= -1
    for metric in METRICS:
        rows, scores = build_graph(vectors, metric).search(vectors[0], 20, 50)
        assert len(rows) == 20
        assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "query",
    [
        np.ones(3, np.float32),
        np.ones(5, np.float32),
        np.ones((1, 4), np.float32),
        np.ones(4, np.float64),
        np.array([1, 2, np.nan, 4], np.float32),
        np.array([1, 2, np.inf, 4], np.float32),
    ],
)
def test_queries_that_hnswlib_would_take_are_refused(query: Vectors) -> None:
    with pytest.raises(ValueError, match="query of type"):
        build_graph(cloud(10, 4), Metric.L2).search(query, 1, 10)


def test_vectors_that_hnswlib_would_take_are_refused() -> None:
    vectors = cloud(10, 4)
    broken = vectors.copy()
    broken[3, 3] = np.nan
    graph = build_graph(vectors, Metric.L2)
    for bad in (broken, vectors.astype(np.float64), vectors[:, ::2], vectors[:, :3].copy(), vectors[0]):
        with pytest.raises(ValueError, match="vectors"):
            graph.extend(bad)  # type: ignore[arg-type]  # that is the test
    for bad in (broken, vectors.astype(np.float64), vectors[:0]):
        with pytest.raises(ValueError, match=r"vectors|at least one"):
            build_graph(bad, Metric.L2)  # type: ignore[arg-type]  # that is the test


def test_threads_may_share_it() -> None:
    vectors = cloud(500, 8)
    graph = build_graph(vectors, Metric.L2)

    def ask(row: int) -> tuple[int, bool]:
        dead = BitMap([row]) if row % 2 else BitMap()
        return row, int(graph.search(vectors[row], 1, 64, dead)[0][0]) == row

    with ThreadPoolExecutor(4) as pool:
        assert all(found == (row % 2 == 0) for row, found in pool.map(ask, range(200)))
