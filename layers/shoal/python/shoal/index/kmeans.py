"""k-means for cells: seeded, of nothing but matrix products, and even enough that no cell is read for nothing.

It runs in the geometry of the metric (`index.geometry`) on a sample. Flat up to `_FLAT` centroids; with more, the
sample is cut into some dozens of regions first, and each region is clustered by itself.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shoal.index.centroids import centroids_of, tidy
from shoal.index.geometry import Geometry
from shoal.model.records import Vectors

_ROUNDS = 10
_FLAT = 1536
_REGION = 256
"""Centroids of a region, about."""
_ROWS_EACH = 64
"""Rows of the sample for each centroid: more cost time and hardly move them."""
_TINY = 0.25
_LARGE = 2.0
"""Share of the mean size below and above which a cell is given up or split."""
_NUDGE = np.float32(1e-3)


def train(geometry: Geometry, sample: Vectors, count: int, *, seed: int) -> Vectors:
    """Centroids of a sample, neighbours next to each other.

    Args:
        geometry: of the rows.
        sample: float32, shape (n, dimension), n > 0, finite.
        count: how many are wanted.
        seed: of every choice.

    Returns:
        float32, shape (m, geometry.width), as `centroids_of` takes them; m is `count`, or fewer where the sample
        has fewer rows or few different ones.
    """
    if not len(sample):
        raise ValueError("no sample")
    rng = np.random.default_rng(seed)
    placed = np.ascontiguousarray(geometry.placed(_some(sample, _ROWS_EACH * count, rng)))
    count = min(count, len(placed))
    if count <= _FLAT:
        found = _clustered(geometry, placed, count, rng)
    else:
        found = np.concatenate(list(_by_region(geometry, placed, count, rng)))
    return np.ascontiguousarray(found[chain(found, rng)])


def split(geometry: Geometry, placed: Vectors, count: int, *, seed: int) -> NDArray[np.int64]:
    """Cut rows into `count` parts of about the same size, near ones together: labels, int64, shape (n,).

    Used on cells that came out too large. Rows that cannot be told apart are dealt out evenly, so no part has
    more than twice its share.

    Args:
        geometry: of the rows.
        placed: float32, shape (n, geometry.width).
        count: how many parts, at least 1 and at most n.
        seed: of every choice.
    """
    rng = np.random.default_rng(seed)
    sample = _some(placed, _ROWS_EACH * count, rng)
    centroids = _clustered(geometry, sample, count, rng)
    labels = centroids_of(geometry, centroids).of_placed(placed)
    limit = 2 * -(-len(placed) // count)
    sizes = np.bincount(labels, minlength=len(centroids))
    following = len(centroids)
    for label in np.flatnonzero(sizes > limit).tolist():
        rows = np.flatnonzero(labels == label)
        for piece in np.array_split(rows, -(-len(rows) // limit))[1:]:
            labels[piece] = following
            following += 1
    return labels


def chain(points: Vectors, rng: np.random.Generator) -> NDArray[np.int64]:
    """An order in which neighbours mostly follow each other: from each point to the nearest that is left.

    Args:
        points: float32, shape (n, width).
        rng: of the regions that many points are cut into first.

    Returns:
        A permutation: int64, shape (n,).
    """
    if len(points) > _FLAT:
        labels = _flat_labels(points, -(-len(points) // _REGION), rng)
        means = np.stack([points[labels == label].mean(axis=0) for label in range(int(labels.max()) + 1)])
        regions = [np.flatnonzero(labels == label) for label in _walk(means).tolist()]
        return np.concatenate([region[_walk(points[region])] for region in regions])
    return _walk(points)


def _walk(points: Vectors) -> NDArray[np.int64]:
    order = np.zeros(len(points), dtype=np.int64)
    if len(points) < 2:
        return order
    moved = points - points.mean(axis=0)
    halves = np.vecdot(moved, moved) * np.float32(-0.5)
    at = int(halves.argmin())  # the farthest from the middle: an end, if anything is
    for step in range(len(points)):
        order[step] = at
        halves[at] = -np.inf
        at = int((moved @ moved[at] + halves).argmax())
    return order


def _by_region(
    geometry: Geometry, placed: Vectors, count: int, rng: np.random.Generator
) -> Iterator[Vectors]:
    """Centroids of each region of the sample, in proportion to its rows."""
    regions = -(-count // _REGION)
    coarse = _clustered(geometry, _some(placed, _ROWS_EACH * regions, rng), regions, rng)
    labels = centroids_of(geometry, coarse).of_placed(placed)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(coarse)))
    wanted = np.diff(np.round(ends * (count / len(placed))).astype(np.int64), prepend=0)
    start = 0
    for end, share in zip(ends.tolist(), wanted.tolist(), strict=True):
        if share and end > start:
            yield _clustered(geometry, placed[order[start:end]], min(share, end - start), rng)
        start = end


def _clustered(geometry: Geometry, placed: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """Lloyd's rounds. After each but the last, tiny cells are given up and the largest ones split instead."""
    centroids = tidy(geometry, _some(placed, count, rng))
    for round_number in range(_ROUNDS):
        labels = centroids_of(geometry, centroids).of_placed(placed)
        sizes = np.bincount(labels, minlength=count)
        centroids = _means(placed, labels, sizes, centroids)
        if round_number < _ROUNDS - 2:
            _evened(centroids, sizes, rng)
        centroids = tidy(geometry, centroids)
    used = np.bincount(centroids_of(geometry, centroids).of_placed(placed), minlength=count) > 0
    return centroids[used]


def _means(placed: Vectors, labels: NDArray[np.int64], sizes: NDArray[np.int64], before: Vectors) -> Vectors:
    """The mean of each cell; where a cell is empty, what it was before."""
    order = np.argsort(labels, kind="stable")
    used = np.flatnonzero(sizes)
    starts = (np.cumsum(sizes) - sizes)[used]
    means = before.copy()
    sums = np.add.reduceat(placed[order], starts, axis=0, dtype=np.float32)
    means[used] = sums / sizes[used, None].astype(np.float32)
    return means


def _evened(centroids: Vectors, sizes: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Move the centroids of tiny cells beside those of the largest, which then share their rows."""
    mean = max(1.0, float(sizes.mean()))
    tiny = np.flatnonzero(sizes < _TINY * mean)
    large = np.flatnonzero(sizes > _LARGE * mean)
    large = large[np.argsort(-sizes[large], kind="stable")]
    count = min(len(tiny), len(large))
    tiny, large = tiny[np.argsort(sizes[tiny], kind="stable")][:count], large[:count]
    if not count:
        return
    spread = np.abs(centroids[large]).max(axis=1, keepdims=True)
    noise = rng.standard_normal((count, centroids.shape[1]), dtype=np.float32) * spread * _NUDGE
    centroids[tiny] = centroids[large] - noise
    centroids[large] += noise


def _flat_labels(points: Vectors, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """k-means of points whose metric does not matter; every label up to the largest occurs."""
    from shoal.index.geometry import geometry_of
    from shoal.model.datasets import Metric

    geometry = geometry_of(points, Metric.L2)
    placed = geometry.placed(points)
    labels = centroids_of(geometry, _clustered(geometry, placed, count, rng)).of_placed(placed)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _some(rows: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    if count >= len(rows):
        return rows
    return np.ascontiguousarray(rows[np.sort(rng.choice(len(rows), size=count, replace=False))])
