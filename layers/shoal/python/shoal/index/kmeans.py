"""k-means for cells: seeded, of nothing but matrix products, and even enough that no cell is read for nothing.

It runs in the geometry of the metric (`index.geometry`) on a sample. With more than `_FLAT` centroids the sample
is cut into regions of about `_REGION` centroids first and clustered region by region, which takes a fraction of
the time; a last round over all mends the borders. On GloVe (1,600 cells) that costs no probes; regions of 40
centroids cost a fifth more.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shoal.index.cell_sizes import ROWS_EACH, rows_wanted
from shoal.index.centroids import centroids_of, tidy
from shoal.index.directions import FROM_WIDTH, directions_of
from shoal.index.geometry import Geometry, geometry_of
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

_ROUNDS = 5
_FLAT = 512
_REGION = 256
_FINAL_ROUNDS = 1
_LAST_ROUNDS = 2
_ENOUGH = 0.9
"""Share of the rows' variance in a few directions, from which on cells are found in these alone."""
_CHAIN = 2048
"""Points that are put in order at once."""
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
    placed = np.ascontiguousarray(geometry.placed(_some(sample, rows_wanted(count, geometry.width), rng)))
    count = min(count, len(placed))
    if geometry.width < FROM_WIDTH:
        found = _found(geometry, placed, count, rng)
    else:
        found = _found_in_few(geometry, placed, count, rng)
    return np.ascontiguousarray(found[chain(found, rng)])


def _found(geometry: Geometry, placed: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    if count <= _FLAT:
        return _clustered(geometry, placed, _some(placed, count, rng), rng)
    found = np.concatenate(list(_by_region(geometry, placed, count, rng)))
    return _clustered(geometry, placed, found, rng, rounds=_FINAL_ROUNDS)


def _found_in_few(geometry: Geometry, placed: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """As `_found`, in the directions in which the rows differ most; last rounds in all where these do not do."""
    directions, share = directions_of(placed, rng)
    few = placed @ directions - placed.mean(axis=0) @ directions
    narrow = geometry_of(few, Metric.L2)
    points = narrow.placed(few)
    labels = centroids_of(narrow, _found(narrow, points, count, rng)).of_placed(points)
    sizes = np.bincount(labels)
    means = _means(placed, labels, sizes, np.zeros((len(sizes), geometry.width), dtype=np.float32))
    found = tidy(geometry, means[sizes > 0])
    if share >= _ENOUGH:
        return found
    return _clustered(geometry, placed, found, rng, rounds=_LAST_ROUNDS)


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
    sample = _some(placed, rows_wanted(count, geometry.width), rng)
    centroids = _clustered(geometry, sample, _some(sample, count, rng), rng)
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
    if len(points) <= _CHAIN:
        return _walk(points)
    geometry = geometry_of(points, Metric.L2)
    placed = geometry.placed(points)
    means = _clustered(geometry, placed, _some(placed, len(points) // _CHAIN + 1, rng), rng)
    means = means[_walk(means)]
    labels = centroids_of(geometry, means).of_placed(placed)
    regions = [np.flatnonzero(labels == label) for label in range(len(means))]
    return np.concatenate([region[_walk(points[region])] for region in regions])


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
    rows = _some(placed, ROWS_EACH * regions, rng)
    coarse = _clustered(geometry, rows, _some(rows, regions, rng), rng)
    labels = centroids_of(geometry, coarse).of_placed(placed)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(coarse)))
    wanted = np.diff(np.round(ends * (count / len(placed))).astype(np.int64), prepend=0)
    start = 0
    for end, share in zip(ends.tolist(), wanted.tolist(), strict=True):
        if share and end > start:
            rows = placed[order[start:end]]
            yield _clustered(geometry, rows, _some(rows, share, rng), rng)
        start = end


def _clustered(
    geometry: Geometry,
    placed: Vectors,
    first: Vectors,
    rng: np.random.Generator,
    *,
    rounds: int = _ROUNDS,
) -> Vectors:
    """Lloyd's rounds from the `first` centroids on. In all but the last two, tiny cells are given up and the
    largest ones split instead.
    """
    centroids = tidy(geometry, first)
    for left in range(rounds, 0, -1):
        labels = centroids_of(geometry, centroids).of_placed(placed)
        sizes = np.bincount(labels, minlength=len(centroids))
        means = _means(placed, labels, sizes, centroids)
        if left > 2:
            _evened(means, sizes, rng)
            centroids = tidy(geometry, means)
        else:
            centroids = tidy(geometry, means[sizes > 0])
    return centroids


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


def _some(rows: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    if count >= len(rows):
        return rows
    return np.ascontiguousarray(rows[np.sort(rng.choice(len(rows), size=count, replace=False))])
