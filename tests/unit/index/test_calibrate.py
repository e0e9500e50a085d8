"""Calibration measures what it says."""

import numpy as np
import pytest

from shoal.index import exact
from shoal.index.calibrate import LADDER, calibrate
from shoal.index.graph import build_graph
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

METRICS = list(Metric)


def cloud(rows: int, dimension: int, *, seed: int = 0, scale: float = 1.0) -> Vectors:
    found: Vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return found * np.float32(scale)


@pytest.mark.parametrize("metric", METRICS)
def test_calibration_reaches_its_target_or_says_what_it_measured(metric: Metric) -> None:
    vectors = cloud(1500, 24)
    graph = build_graph(vectors, metric, m=8, ef_construction=60)
    reached = calibrate(graph, vectors, metric, target=0.9, samples=40, seed=3)
    assert reached.measured >= 0.9
    assert reached.ef in LADDER
    assert reached.samples == 80
    assert reached == calibrate(graph, vectors, metric, target=0.9, samples=40, seed=3)
    missed = calibrate(graph, vectors, metric, target=1.1, samples=40, seed=3, ladder=(10, 12))
    assert missed.ef == 12
    assert missed.measured <= reached.measured
    # against the definition: the share of the ten best others that come back, and of the ten best of a middle
    rng = np.random.default_rng(3)
    sample = np.sort(rng.choice(1500, size=40, replace=False))
    hits = 0
    for row in sample.tolist():
        best, _ = exact.top_k(vectors, vectors[row], metric, 11)
        found, _ = graph.search(vectors[row], 11, reached.ef)
        hits += len(set(best[best != row][:10].tolist()) & set(found[found != row][:10].tolist()))
    between = 0
    for pair in rng.integers(1500, size=(40, 2)):
        middle = vectors[pair].mean(axis=0, dtype=np.float32)
        best, _ = exact.top_k(vectors, middle, metric, 10)
        found, _ = graph.search(middle, 11, reached.ef)
        between += len(set(best.tolist()) & set(found[:10].tolist()))
    assert min(hits, between) / 400 == pytest.approx(reached.measured, abs=0.01)


def test_queries_between_rows_are_not_flattered() -> None:
    """Clusters: rows find their neighbours at any width, a query from outside does not."""
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(60, 48))
    vectors = (centres[rng.integers(60, size=6000)] + 0.25 * rng.normal(size=(6000, 48))).astype(np.float32)
    graph = build_graph(vectors, Metric.COSINE)
    chosen = calibrate(graph, vectors, Metric.COSINE, target=0.95, seed=1)
    questions = [
        (centres[pair].mean(axis=0) + 0.25 * rng.normal(size=48)).astype(np.float32)
        for pair in rng.integers(60, size=(100, 2))
    ]
    hits = 0
    for query in questions:
        best, _ = exact.top_k(vectors, query, Metric.COSINE, 10)
        found, _ = graph.search(query, 10, chosen.ef)
        hits += len(set(best.tolist()) & set(found.tolist()))
    assert hits / 1000 >= 0.9


def test_calibration_of_very_few_rows() -> None:
    for count in (1, 2, 5):
        vectors = cloud(count, 3)
        found = calibrate(build_graph(vectors, Metric.L2), vectors, Metric.L2, target=0.95, seed=1)
        assert (found.ef, found.measured) == (16, 1.0)
