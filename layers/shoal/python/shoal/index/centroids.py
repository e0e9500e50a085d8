"""Centroids of k-means: to which each of many rows belongs.

They lie in the geometry of the metric (`index.geometry`): l2 as the rows are; cosine unit vectors; dot unit
vectors with one value more. l2 compares distances, the others inner products; one matrix product answers both.
How a query finds cells is in `probing`.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index import exact
from shoal.index.geometry import Geometry, unit_rows
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

_BLOCK_SCORES = 1024 * 1024
"""Scores that are worked out at a time: 4 MB."""
_LONG = np.float32(2.0**60)
"""Rows that are longer could overflow against centroids, which are at most 2^41 long."""


@dataclass(frozen=True, slots=True)
class Centroids:
    """n centroids; `placed` is float32, shape (n, geometry.width). Safe to use from several threads.

    Under l2 all is moved to the mean of the centroids first: |c|² - 2cx would cancel far from the origin.
    """

    geometry: Geometry
    placed: Vectors
    _origin: Vectors
    _keys: Vectors

    def __len__(self) -> int:
        return len(self.placed)

    def of_rows(self, vectors: Vectors) -> NDArray[np.int64]:
        """The nearest of each row (float32, shape (n, dimension), finite): int64, shape (n,)."""
        found = np.empty(len(vectors), dtype=np.int64)
        step = max(1, _BLOCK_SCORES // len(self))

        def fill(start: int) -> None:
            some = self.geometry.placed(vectors[start : start + step])
            found[start : start + step] = self.of_placed(some)

        starts = range(0, len(vectors), step)
        with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, max(1, len(starts)))) as threads:
            list(threads.map(fill, starts))  # products and comparisons leave the interpreter's lock
        return found

    def of_placed(self, placed: Vectors) -> NDArray[np.int64]:
        """As `of_rows`, of rows that are in the geometry already: float32, shape (n, width)."""
        step = max(1, _BLOCK_SCORES // len(self))
        found = np.empty(len(placed), dtype=np.int64)
        scores = np.empty((min(step, len(placed)), len(self)), dtype=np.float32)
        for start in range(0, len(placed), step):
            some = self.lifted(placed[start : start + step])
            products = np.matmul(some, self._keys.T, out=scores[: len(some)])
            np.argmax(products, axis=1, out=found[start : start + step])
        return found

    def lifted(self, placed: Vectors) -> Vectors:
        """Rows of which the product with the keys is largest for the nearest centroid: float32, shape (n, m).

        Under l2 they are moved to the origin of the keys, and m is one more than the width.
        """
        width = placed.shape[1]
        lifted = np.empty((len(placed), self._keys.shape[1]), dtype=np.float32)
        np.subtract(placed, self._origin, out=lifted[:, :width])
        lifted[:, width:] = 1.0
        lengths = exact.vector_norms(lifted[:, :width])
        long = np.flatnonzero(lengths > _LONG)
        lifted[long] /= lengths[long, None]
        return lifted


def centroids_of(geometry: Geometry, placed: Vectors) -> Centroids:
    """Make centroids ready for use.

    Args:
        geometry: of the rows that they stand for.
        placed: float32, shape (n, geometry.width), finite; of length 1 (or 0) but for l2.
    """
    if placed.ndim != 2 or not len(placed) or placed.shape[1] != geometry.width:
        raise ValueError(f"centroids of shape {placed.shape}")
    if geometry.metric is not Metric.L2:
        return Centroids(geometry, placed, np.zeros(geometry.width, dtype=np.float32), placed)
    origin, keys = keys_of_distance(placed)
    return Centroids(geometry, placed, origin, keys)


def keys_of_distance(placed: Vectors) -> tuple[Vectors, Vectors]:
    """Distances as products: the product of a key with (x - origin, 1) is largest for what is nearest to x.

    Returns:
        The origin, float32, shape (width,), and the keys, float32, shape (n, width + 1).
    """
    origin: Vectors = placed.mean(axis=0, dtype=np.float64).astype(np.float32)
    moved = placed - origin
    return origin, np.column_stack([moved, np.vecdot(moved, moved) * np.float32(-0.5)])


def tidy(geometry: Geometry, means: Vectors) -> Vectors:
    """Centroids from the means of placed rows: of length 1 where the metric compares directions."""
    return means if geometry.metric is Metric.L2 else unit_rows(means)
