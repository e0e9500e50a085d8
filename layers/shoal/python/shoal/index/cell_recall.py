"""How many cells a query must probe: found out with queries whose true neighbours are known, not hoped for.

As in `calibrate`, two kinds of queries are tried and the worse of the two counts: rows, each left out of its own
result, and the middle between two random rows, where no row is. Each shard of cells hands in its best rows for
every query; together they hold the true ten, so no function needs all rows.

A filter that leaves one row in a hundred is tried too: its ten rows lie farther apart, in more cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index import exact
from shoal.index.centroids import Centroids
from shoal.index.id_index import Hashes
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

CANDIDATE = np.dtype([("query", "<u4"), ("cell", "<u4"), ("score", "<f4")])
_KEPT = 32
"""Candidates of a query from one shard; more than the ten that count, because ties are no misses."""
_LIMIT_ROWS, _LIMIT_RANK = 10_000, 16
"""A row counts as near where it is nearer than the 16th of so many rows of the sample."""
FILTER_ONE_IN = 100
"""Of the rows, which the filter that is tried leaves."""
_BLOCK_ROWS = 4096
_LONG = np.float32(2.0**60)
_HELD = 500_000
"""Hits that are held before all but the best are dropped."""


@dataclass(frozen=True, slots=True)
class Queries:
    """m queries: `vectors` float32, shape (m, dimension); the first `rows` are rows of the import.

    `left_out`: the hash of that row's id, uint64, shape (m, 2); zeros for a midpoint. `limits`: a nearness (of
    `_nearness`) that the best rows of each query surpass for certain: float32, shape (m,).
    """

    vectors: Vectors
    left_out: Hashes
    rows: int
    limits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Hits:
    """Rows that are near to queries: number of the query, of the row, and how near; shape (n,)."""

    asked: NDArray[np.int64]
    rows: NDArray[np.int64]
    near: NDArray[np.float32]


def pick_queries(centroids: Centroids, sample: Vectors, hashes: Hashes, *, each: int, seed: int) -> Queries:
    """Choose queries from a sample.

    Args:
        centroids: of the cells.
        sample: float32, shape (n, dimension), n > 0.
        hashes: of the rows' ids: uint64, shape (n, 2).
        each: how many of each kind.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(sample), size=min(each, len(sample)), replace=False))
    pairs = rng.integers(len(sample), size=(len(rows), 2))
    half = np.float32(0.5)  # halved first: the sum of two large float32 may overflow
    middles = sample[pairs[:, 0]] * half + sample[pairs[:, 1]] * half
    lost = ~middles.any(axis=1)  # opposite rows; a zero vector has no direction
    middles[lost] = sample[pairs[lost, 0]]
    vectors = np.concatenate([sample[rows], middles])
    left_out = np.concatenate([hashes[rows], np.zeros((len(rows), 2), dtype=np.uint64)])
    lowest = np.full(len(vectors), -np.inf, dtype=np.float32)
    found = Queries(vectors, left_out, len(rows), lowest)
    some = np.ascontiguousarray(sample[:: max(1, len(sample) // _LIMIT_ROWS)])
    place = len(some) - _LIMIT_RANK
    if place <= 0:
        return found
    nearness = _nearness(centroids, centroids.geometry.placed(some), aim(centroids, vectors))
    nearness.partition(place, axis=1)
    limits = nearness[:, place].copy()
    return Queries(vectors, left_out, len(rows), limits)


def candidates(
    centroids: Centroids,
    queries: Queries,
    *,
    vectors: Vectors,
    placed: Vectors,
    hashes: Hashes,
    cells: NDArray[np.int64],
    filtered: bool,
) -> NDArray[np.void]:
    """The best rows of some cells for each query, of `CANDIDATE`, in the order of the queries.

    Args:
        centroids: as given to `pick_queries`.
        queries: what it gave.
        vectors: float32, shape (n, dimension).
        placed: the same rows in the geometry of the centroids.
        hashes: uint64, shape (n, 2).
        cells: the cell of each row: int64, shape (n,).
        filtered: look only at the one row in a hundred that a hash picks.
    """
    limits = queries.limits
    if filtered:
        chosen = np.flatnonzero((hashes[:, 1] >> np.uint64(20)) % np.uint64(FILTER_ONE_IN) == 0)
        vectors, placed, hashes, cells = vectors[chosen], placed[chosen], hashes[chosen], cells[chosen]
        limits = np.full(len(limits), -np.inf, dtype=np.float32)
    asked, rows = _hits(centroids, queries, placed, hashes, limits)
    found = np.zeros(len(rows), dtype=CANDIDATE)
    found["query"], found["cell"] = asked, cells[rows]
    bounds = np.searchsorted(asked, np.arange(len(limits) + 1)).tolist()
    for number in range(len(limits)):
        mine = slice(bounds[number], bounds[number + 1])
        some = np.ascontiguousarray(vectors[rows[mine]])
        found["score"][mine] = exact.scores(some, queries.vectors[number], centroids.geometry.metric)
    return found


def _hits(
    centroids: Centroids,
    queries: Queries,
    placed: Vectors,
    hashes: Hashes,
    limits: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each query the rows that are near enough, at most `_KEPT`: query and row of each, by query."""
    aimed = aim(centroids, queries.vectors)
    parts: list[_Hits] = []
    for start in range(0, len(placed), _BLOCK_ROWS):
        nearness = _nearness(centroids, placed[start : start + _BLOCK_ROWS], aimed)
        hit = np.flatnonzero(_near_enough(nearness, limits))
        asked, column = np.divmod(hit, nearness.shape[1])
        parts.append(_Hits(asked, column + start, nearness.ravel()[hit]))
        if sum(len(part.rows) for part in parts) > _HELD:
            parts = [_best(parts, queries, hashes)]
    best = _best(parts, queries, hashes)
    return best.asked, best.rows


def _near_enough(nearness: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows of a block are: those beyond the limit, and of very many the best only."""
    near: NDArray[np.bool_] = nearness >= limits[:, None]
    crowded = np.flatnonzero(np.count_nonzero(near, axis=1) > 4 * _KEPT)
    if len(crowded):
        near[crowded] = False
        best = np.argpartition(-nearness[crowded], _KEPT, axis=1)[:, : _KEPT + 1]  # the row itself may be one
        near[crowded[:, None], best] = True
    return near


def _best(parts: Sequence[_Hits], queries: Queries, hashes: Hashes) -> _Hits:
    """The `_KEPT` best of each query, by query, without the row that the query is."""
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return _Hits(nothing, nothing, np.empty(0, dtype=np.float32))
    asked = np.concatenate([part.asked for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    near = np.concatenate([part.near for part in parts])
    others = (hashes[rows] != queries.left_out[asked]).any(axis=1) | (asked >= queries.rows)
    asked, rows, near = asked[others], rows[others], near[others]
    order = np.lexsort((rows, -near, asked))
    asked, rows, near = asked[order], rows[order], near[order]
    kept = np.arange(len(asked)) - np.searchsorted(asked, asked) < _KEPT
    return _Hits(asked[kept], rows[kept], near[kept])


def aim(centroids: Centroids, queries: Vectors) -> Vectors:
    """Queries as `_nearness` takes them: float32, shape (m, width of the keys)."""
    geometry = centroids.geometry
    if geometry.metric is Metric.DOT:
        aimed = np.stack([geometry.aimed(query) for query in queries])
        aimed /= np.maximum(exact.vector_norms(aimed), np.float32(1))[:, None]
        return np.ascontiguousarray(aimed, dtype=np.float32)
    return centroids.lifted(geometry.placed(queries))


def _nearness(centroids: Centroids, placed: Vectors, aimed: Vectors) -> NDArray[np.float32]:
    """How near rows are to queries, larger is nearer, to rounding: float32, shape (queries, rows)."""
    rows = centroids.lifted(placed)
    if centroids.geometry.metric is Metric.L2:
        moved = rows[:, :-1]
        shortened = rows[:, -1] < 1  # so far away that they are near to no query
        rows[:, -1] = np.vecdot(moved, moved) * np.float32(-0.5)
        rows[shortened, :-1] = 0
        rows[shortened, -1] = -_LONG * _LONG
    elif centroids.geometry.metric is Metric.DOT:
        lengths = exact.vector_norms(placed)
        rows *= np.where(lengths > _LONG, _LONG, np.float32(1))[:, None]
    nearness: NDArray[np.float32] = aimed @ rows.T
    return nearness
