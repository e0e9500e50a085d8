"""Exact search over many small blocks of rows as if they were one: the cells that a query opened.

Each block costs one matrix-vector product and nothing else. Those products only rule rows out; the few that are
left are scored by `exact.scores`, so that a row has the same score here, in a delta and in the oracle.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.index import exact
from shoal.index.exact import Scores
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

_FEW_ROWS = 512
"""Fewer are scored directly."""
_ROWS_A_MINIMUM = 64
_HALF_ULP = 2.0**-24
_SHORTEST, _LONGEST = 1e-15, 1e18
"""Lengths between which no product of two underflows to something that matters, or overflows."""


def top_k(
    blocks: Sequence[Vectors],
    lengths: Sequence[NDArray[np.float32]],
    query: Vectors,
    metric: Metric,
    k: int,
    *,
    hidden: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], Scores]:
    """The k best rows of all blocks, best first, ties by position; fewer only where there are fewer.

    Args:
        blocks: float32, each of shape (n, dimension), C-contiguous, finite.
        lengths: what `exact.vector_norms` gives for each block.
        query: float32, shape (dimension,), finite.
        metric: how to compare.
        k: how many.
        hidden: positions to leave out, counted through all blocks.

    Returns:
        Positions, counted through all blocks (int64), and their scores, equal to those of `exact.scores`.
    """
    counts = np.fromiter(map(len, blocks), dtype=np.int64, count=len(blocks))
    total = int(counts.sum())
    if k <= 0 or not total:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    norms = lengths[0] if len(lengths) == 1 else np.concatenate(lengths)
    kept = None
    if total > max(_FEW_ROWS, 8 * k):
        kept = _shortlist(blocks, norms, query, metric, k, hidden)
    if kept is None:
        parts = zip(blocks, np.split(norms, np.cumsum(counts)[:-1]), strict=True)
        found = np.concatenate([exact.scores(rows, query, metric, norms=some) for rows, some in parts])
        kept = np.arange(total, dtype=np.int64)
        if hidden is not None:
            kept = np.delete(kept, hidden)
            found = found[kept]
    else:
        found = exact.scores(_rows_at(blocks, counts, kept), query, metric, norms=norms[kept])
    return exact.top_k_of(kept, found, k, metric)


def _shortlist(
    blocks: Sequence[Vectors],
    norms: NDArray[np.float32],
    query: Vectors,
    metric: Metric,
    k: int,
    hidden: NDArray[np.int64] | None,
) -> NDArray[np.int64] | None:
    """Positions among which the k best are for certain, ascending; None where products cannot tell.

    The products and the direct scores each err by at most (dimension + 3) half-ulps of what the terms can add up
    to; a row can only be one of the k best if its product is within twice that of the k-th best.
    """
    length = float(np.sqrt(np.vecdot(query, query, dtype=np.float64)))
    longest = float(norms.max())
    if not (longest < _LONGEST and _SHORTEST < length < _LONGEST):
        return None
    if metric is Metric.COSINE:
        if float(norms.min()) < _SHORTEST:
            return None
        query = (query.astype(np.float64) / length).astype(np.float32)
    cost = np.empty(len(norms), dtype=np.float32)
    start = 0
    for rows in blocks:
        np.dot(rows, query, out=cost[start : start + len(rows)])
        start += len(rows)
    match metric:
        case Metric.L2:
            cost *= -2
            cost += norms * norms
            reach = (longest + length) ** 2
        case Metric.DOT:
            np.negative(cost, out=cost)
            reach = longest * length
        case Metric.COSINE:
            cost /= norms
            np.negative(cost, out=cost)
            reach = 1.0
    if hidden is not None:
        cost[hidden] = np.inf
    slack = (2 * len(query) + 32) * _HALF_ULP * reach + 1e-37
    bound = np.float32(_at_least_kth(cost, k) + 2 * slack)
    if not np.isfinite(bound):
        return None
    kept = np.flatnonzero(cost <= np.nextafter(bound, np.float32(np.inf)))
    return kept if 3 * len(kept) <= len(cost) else None


def _at_least_kth(cost: NDArray[np.float32], k: int) -> float:
    """A bound that at least k values do not exceed, and not many more.

    It is the k-th smallest of the minima of disjoint groups. Those take one pass, many values at a time; selecting
    among all values took ten times as long (64,000 of them: 0.6 ms, not 0.04 ms).
    """
    groups = max(4 * k, len(cost) // _ROWS_A_MINIMUM)
    depth = len(cost) // groups
    if depth > 1:
        cost = cost[: groups * depth].reshape(depth, groups).min(axis=0)
    return float(np.partition(cost, k - 1)[k - 1])


def _rows_at(blocks: Sequence[Vectors], counts: NDArray[np.int64], kept: NDArray[np.int64]) -> Vectors:
    """The rows at positions that are ascending: float32, shape (m, dimension)."""
    starts = np.cumsum(counts) - counts
    owners = np.searchsorted(starts, kept, side="right") - 1
    # A block without rows begins where the next one does, and `right` passes it by.
    rows = np.empty((len(kept), blocks[0].shape[1]), dtype=np.float32)
    for owner in np.unique(owners).tolist():
        first, last = np.searchsorted(owners, (owner, owner + 1)).tolist()
        np.take(blocks[owner], kept[first:last] - starts[owner], axis=0, out=rows[first:last])
    return rows
