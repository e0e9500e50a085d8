"""Calibration: the smallest `ef` at which a graph reaches its target recall, as measured on its own rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index import exact
from shoal.index.graph import Graph
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

LADDER = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


@dataclass(frozen=True, slots=True)
class Calibration:
    """`measured` is recall@k at `ef`, over `samples` rows left out of their own results."""

    ef: int
    measured: float
    samples: int


def calibrate(
    graph: Graph,
    vectors: Vectors,
    metric: Metric,
    *,
    target: float,
    samples: int = 100,
    k: int = 10,
    seed: int,
    ladder: Sequence[int] = LADDER,
) -> Calibration:
    """Measure recall against exact search and choose `ef`.

    Sampled rows are the queries, each left out of both results. A found row counts when it is as good as the
    k-th best, so ties are no misses.

    Args:
        graph: over exactly these vectors, without dead rows.
        vectors: float32, shape (n, dimension).
        metric: of the graph.
        target: recall to reach, 0 to 1.
        samples: how many rows to ask for.
        k: results that are compared.
        seed: of the sample.
        ladder: what `ef` may be, rising.

    Returns:
        The smallest `ef` that reaches the target; else the largest, with what it measured.
    """
    count = len(vectors)
    wanted = min(k, count - 1)
    if wanted < 1:
        return Calibration(ef=ladder[0], measured=1.0, samples=0)
    chosen = np.sort(np.random.default_rng(seed).choice(count, size=min(samples, count), replace=False))
    norms = exact.vector_norms(vectors)
    limits = [_kth_best(vectors, row, metric, wanted, norms) for row in chosen.tolist()]
    result = Calibration(ef=ladder[-1], measured=0.0, samples=len(chosen))
    for ef in ladder:
        hits = sum(
            _hits(graph, vectors[row], row, wanted, ef, limit)
            for row, limit in zip(chosen.tolist(), limits, strict=True)
        )
        result = Calibration(ef=ef, measured=hits / (wanted * len(chosen)), samples=len(chosen))
        if result.measured >= target:
            break
    return result


def _kth_best(vectors: Vectors, row: int, metric: Metric, k: int, norms: NDArray[np.float32]) -> float:
    rows, found = exact.top_k(vectors, vectors[row], metric, k + 1, norms=norms)
    others: NDArray[np.float32] = found[rows != row]
    return float(others[k - 1])


def _hits(graph: Graph, query: Vectors, row: int, k: int, ef: int, limit: float) -> int:
    rows, found = graph.search(query, k + 1, ef)
    others = found[rows != row][:k].astype(np.float64)
    tolerance = 1e-5 * max(abs(limit), float(np.abs(found).max()))
    near = others <= limit + tolerance if graph.metric.lower_is_better else others >= limit - tolerance
    return int(np.count_nonzero(near))
