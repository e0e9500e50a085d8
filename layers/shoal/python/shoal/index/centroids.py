"""Centroids of cells: which are nearest to a query, and to which each of many rows belongs.

They lie in the geometry of the metric (`index.geometry`): l2 as the rows are; cosine unit vectors; dot unit
vectors with one value more. l2 compares distances, the others inner products; one matrix product answers both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index import exact
from shoal.index.geometry import Geometry, unit_rows
from shoal.index.graph import Graph, build_graph
from shoal.model.datasets import Metric
from shoal.model.limits import MAX_DIMENSION
from shoal.model.records import Vectors

GRAPH_FROM = 5000
"""Centroids from which on a graph finds the nearest: 5,000 x 768 take 1.5 ms one by one."""
_GRAPH_AT_MOST = 1 / 16
"""The share of all cells from which on comparing with each is no slower than the graph."""
_LEAST_EF = 64
_BLOCK_SCORES = 1024 * 1024
"""Scores that are worked out at a time: 4 MB."""
_LONG = np.float32(2.0**60)
"""Rows that are longer could overflow against centroids, which are at most 2^41 long."""


@dataclass(frozen=True, slots=True)
class Centroids:
    """n centroids; `placed` is float32, shape (n, geometry.width). Safe to use from several threads.

    Under l2 all is moved to the mean of the centroids first: |c|² - 2cq would cancel far from the origin.
    """

    geometry: Geometry
    placed: Vectors
    graph: Graph | None
    _origin: Vectors
    _keys: Vectors

    def __len__(self) -> int:
        return len(self.placed)

    @property
    def memory_bytes(self) -> int:
        """About what they occupy."""
        graph_bytes = self.graph.memory_bytes if self.graph else 0
        return int(self.placed.nbytes + self._keys.nbytes) + graph_bytes

    def nearest(self, query: Vectors, count: int) -> NDArray[np.int64]:
        """The `count` nearest to a query (float32, shape (dimension,), finite), best first, ties by number.

        Exactly so without a graph, nearly so with one; all of them where `count` is at least as many.
        """
        count = max(0, min(count, len(self)))
        aimed = self.geometry.aimed(query)
        if self.graph is not None and count < len(self) * _GRAPH_AT_MOST:
            found, _ = self.graph.search(aimed, count, max(_LEAST_EF, 2 * count))
            return found
        scores = self._keys @ self._aimed(aimed)
        return exact.top_k_of(np.arange(len(self), dtype=np.int64), scores, count, Metric.DOT)[0]

    def of_rows(self, vectors: Vectors) -> NDArray[np.int64]:
        """The nearest of each row (float32, shape (n, dimension), finite): int64, shape (n,)."""
        return self.of_placed(self.geometry.placed(vectors))

    def of_placed(self, placed: Vectors) -> NDArray[np.int64]:
        """As `of_rows`, of rows that are in the geometry already: float32, shape (n, width)."""
        step = max(1, _BLOCK_SCORES // len(self))
        found = np.empty(len(placed), dtype=np.int64)
        scores = np.empty((min(step, len(placed)), len(self)), dtype=np.float32)
        for start in range(0, len(placed), step):
            some = self._lifted(placed[start : start + step])
            products = np.matmul(some, self._keys.T, out=scores[: len(some)])
            np.argmax(products, axis=1, out=found[start : start + step])
        return found

    def _lifted(self, placed: Vectors) -> Vectors:
        """Rows of which the product with the keys is largest for the nearest centroid."""
        width = placed.shape[1]
        lifted = np.empty((len(placed), self._keys.shape[1]), dtype=np.float32)
        np.subtract(placed, self._origin, out=lifted[:, :width])
        lifted[:, width:] = 1.0
        lengths = exact.vector_norms(lifted[:, :width])
        long = np.flatnonzero(lengths > _LONG)
        lifted[long] /= lengths[long, None]
        return lifted

    def _aimed(self, aimed: Vectors) -> Vectors:
        """The same for one query of any length."""
        lifted = np.ones(self._keys.shape[1], dtype=np.float64)
        lifted[: len(aimed)] = aimed.astype(np.float64) - self._origin
        length = float(np.sqrt(np.vecdot(lifted[: len(aimed)], lifted[: len(aimed)])))
        return (lifted / max(1.0, length)).astype(np.float32)


def centroids_of(geometry: Geometry, placed: Vectors, *, graph: Graph | None = None) -> Centroids:
    """Make centroids ready for use.

    Args:
        geometry: of the rows that they stand for.
        placed: float32, shape (n, geometry.width), finite; of length 1 (or 0) but for l2.
        graph: over them, where there is one.
    """
    if placed.ndim != 2 or not len(placed) or placed.shape[1] != geometry.width:
        raise ValueError(f"centroids of shape {placed.shape}")
    if geometry.metric is not Metric.L2:
        return Centroids(geometry, placed, graph, np.zeros(geometry.width, dtype=np.float32), placed)
    origin = placed.mean(axis=0, dtype=np.float64).astype(np.float32)
    moved = placed - origin
    halves = np.vecdot(moved, moved) * np.float32(-0.5)
    return Centroids(geometry, placed, graph, origin, np.column_stack([moved, halves]))


def graph_metric(metric: Metric) -> Metric:
    """How the graph over centroids of a metric compares them."""
    return Metric.L2 if metric is Metric.L2 else Metric.COSINE


def graph_over(geometry: Geometry, placed: Vectors) -> Graph | None:
    """The graph over centroids, where there are so many that it helps."""
    if len(placed) < GRAPH_FROM or geometry.width > MAX_DIMENSION:
        return None
    return build_graph(placed, graph_metric(geometry.metric))


def tidy(geometry: Geometry, means: Vectors) -> Vectors:
    """Centroids from the means of placed rows: of length 1 where the metric compares directions."""
    return means if geometry.metric is Metric.L2 else unit_rows(means)
