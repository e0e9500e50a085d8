"""Centroids of k-means: to which each of many rows belongs.

They lie in the geometry of the metric (`index.geometry`): l2 as the rows are; cosine unit vectors; dot unit
vectors with one value more. l2 compares distances, the others inner products; one matrix product answers both.
How a query finds cells is in `probing`.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index import exact
from shoal.index.directions import FROM_WIDTH, directions_of
from shoal.index.geometry import Geometry, unit_rows
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

_BLOCK_SCORES = 1024 * 1024
"""Scores that are worked out at a time: 4 MB."""
_LONG = np.float32(2.0**60)
"""Rows that are longer could overflow against centroids, which are at most 2^41 long."""

_OTHERS = 0.02
"""Share of the rows that a few directions may give to another centroid, which is nearly as near."""


@dataclass(frozen=True, slots=True)
class Centroids:
    """n centroids; `placed` is float32, shape (n, geometry.width). Safe to use from several threads.

    Under l2 all is moved to the mean of the centroids first: |c|² - 2cx would cancel far from the origin.

    `directions` (orthonormal columns, float32, shape (geometry.width, m)): rows are compared in these only; with
    none (m is 0) as they are.
    """

    geometry: Geometry
    placed: Vectors
    _origin: Vectors
    _keys: Vectors
    directions: Vectors
    _short_keys: Vectors

    def __len__(self) -> int:
        return len(self.placed)

    def of_rows(self, vectors: Vectors) -> NDArray[np.int64]:
        """The nearest of each row (float32, shape (n, dimension), finite): int64, shape (n,)."""
        return self._nearest(vectors, self.geometry.placed)

    def of_placed(self, placed: Vectors) -> NDArray[np.int64]:
        """As `of_rows`, of rows that are in the geometry already: float32, shape (n, width)."""
        return self._nearest(placed, lambda some: some)

    def _nearest(self, rows: Vectors, place: Callable[[Vectors], Vectors]) -> NDArray[np.int64]:
        step = max(1, _BLOCK_SCORES // len(self))
        found = np.empty(len(rows), dtype=np.int64)
        keys = self._short_keys if self.directions.size else self._keys

        def fill(first: int, end: int) -> None:
            scores = np.empty((min(step, end - first), len(self)), dtype=np.float32)
            for start in range(first, end, step):
                stop = min(start + step, end)
                some = place(rows[start:stop])
                some = self._shortened(some) if self.directions.size else self.lifted(some)
                products = np.matmul(some, keys.T, out=scores[: len(some)])
                np.argmax(products, axis=1, out=found[start:stop])

        share = max(step, -(-len(rows) // (os.cpu_count() or 1)))
        firsts = range(0, len(rows), share)
        ends = [min(first + share, len(rows)) for first in firsts]
        if len(firsts) < 2:
            list(map(fill, firsts, ends))
        else:
            with ThreadPoolExecutor(max_workers=len(firsts)) as threads:
                list(threads.map(fill, firsts, ends))  # products and comparisons leave the interpreter's lock
        return found

    def _shortened(self, placed: Vectors) -> Vectors:
        """As `lifted`, for the short keys: float32, shape (n, m)."""
        lengths = exact.vector_norms(placed)
        if (lengths > _LONG).any():
            lifted = self.lifted(placed)
            width = placed.shape[1]
            return np.column_stack([lifted[:, :width] @ self.directions, lifted[:, width:]])
        count = self.directions.shape[1]
        short = np.empty((len(placed), self._short_keys.shape[1]), dtype=np.float32)
        np.subtract(placed @ self.directions, self._origin @ self.directions, out=short[:, :count])
        short[:, count:] = 1.0
        return short

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


def centroids_of(geometry: Geometry, placed: Vectors, *, directions: Vectors | None = None) -> Centroids:
    """Make centroids ready for use.

    Args:
        geometry: of the rows that they stand for.
        placed: float32, shape (n, geometry.width), finite; of length 1 (or 0) but for l2.
        directions: in which to compare rows, orthonormal columns, float32, shape (geometry.width, m): what
            `short_directions` found. None or m = 0 for all.
    """
    if placed.ndim != 2 or not len(placed) or placed.shape[1] != geometry.width:
        raise ValueError(f"centroids of shape {placed.shape}")
    origin, keys = np.zeros(geometry.width, dtype=np.float32), placed
    if geometry.metric is Metric.L2:
        origin, keys = keys_of_distance(placed)
    if directions is None or not directions.size:
        nothing = np.empty((geometry.width, 0), dtype=np.float32)
        return Centroids(geometry, placed, origin, keys, nothing, nothing)
    values, rest = keys[:, : geometry.width], keys[:, geometry.width :]
    # a product with the mean of all keys is the same for each of them
    short = (values - values.mean(axis=0)) @ directions
    return Centroids(geometry, placed, origin, keys, directions, np.column_stack([short, rest]))


def short_directions(centroids: Centroids, rows: Vectors, rng: np.random.Generator) -> Vectors:
    """Directions in which nearly every row finds the centroid that it finds in all of them.

    Args:
        centroids: without directions.
        rows: some rows in their geometry: float32, shape (n, geometry.width), n > 0.
        rng: of the search for them.

    Returns:
        float32, shape (geometry.width, m); m is 0 where there are no such few directions, or rows are narrow.
    """
    width = centroids.geometry.width
    if width >= FROM_WIDTH:
        directions, _ = directions_of(centroids.placed, rng)
        short = centroids_of(centroids.geometry, centroids.placed, directions=directions)
        if float((short.of_placed(rows) != centroids.of_placed(rows)).mean()) <= _OTHERS:
            return directions
    return np.empty((width, 0), dtype=np.float32)


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
