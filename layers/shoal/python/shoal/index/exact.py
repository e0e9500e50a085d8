"""Exact search: the oracle of every index, and how deltas and filtered rows are searched."""

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.model.datasets import Metric
from shoal.model.records import Vectors

type Scores = NDArray[np.float32]
"""float32, shape (n,): squared distances for l2 (lower is better), similarities otherwise. Always finite."""

LARGEST = float(np.finfo(np.float32).max)
"""No score is beyond this."""
_SAFE_SQUARE = (1e-30, 1e30)
"""Between these a float32 sum of squares neither loses its small terms nor overflows."""
_BLOCK_VALUES = 64 * 1024
"""Values of a block of differences: 256 KB, so that it stays in the cache between the two passes."""
_WIDE_ROWS = 1024
_SHORTLIST_FROM = 512
_HALF_ULP = 2.0**-24


def vector_norms(vectors: Vectors) -> NDArray[np.float32]:
    """Euclidean lengths: float32, shape (n,). Worth keeping beside vectors that are searched again.

    A length beyond float32 is the largest float32.
    """
    with np.errstate(over="ignore", under="ignore"):
        squares = np.vecdot(vectors, vectors)
    lengths: NDArray[np.float32] = np.sqrt(squares)
    low, high = _SAFE_SQUARE
    risky = np.flatnonzero(~((squares >= low) & (squares <= high)))
    for some in _split(risky, _WIDE_ROWS):
        wide = vectors[some].astype(np.float64)
        lengths[some] = np.minimum(np.sqrt(np.vecdot(wide, wide)), LARGEST)
    return lengths


def scores(
    vectors: Vectors, query: Vectors, metric: Metric, *, norms: NDArray[np.float32] | None = None
) -> Scores:
    """Score each row against one query, directly from the definition of the metric.

    A row's score does not depend on the rows beside it, bit for bit. Equal vectors have an l2 score of exactly
    0.0. Under cosine a zero vector scores 0. Where float32 would overflow, float64 is used and the result is cut
    to the float32 range, so scores are always finite.

    Args:
        vectors: float32, shape (n, dimension), C-contiguous, finite.
        query: float32, shape (dimension,), finite.
        metric: how to compare.
        norms: the rows' lengths as `vector_norms` gives them, for cosine; worked out when absent.
    """
    query = _checked(vectors, query)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        match metric:
            case Metric.L2:
                return _squared_distances(vectors, query)
            case Metric.DOT:
                return _products(vectors, query)
            case Metric.COSINE:
                return _cosines(vectors, query, vector_norms(vectors) if norms is None else norms)


def top_k(
    vectors: Vectors,
    query: Vectors,
    metric: Metric,
    k: int,
    *,
    rows: NDArray[np.integer] | None = None,
    dead: BitMap | None = None,
    norms: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.int64], Scores]:
    """The k best rows, best first, ties by row number; fewer only where fewer are alive.

    Args:
        vectors: float32, shape (n, dimension), C-contiguous, finite.
        query: float32, shape (dimension,), finite.
        metric: how to compare.
        k: how many.
        rows: only these row numbers, each once, in any order.
        dead: rows to leave out.
        norms: what `vector_norms` gives for the vectors; saves working them out for l2 and cosine.

    Returns:
        Row numbers (int64) and their scores, equal to those of `scores` bit for bit.
    """
    query = _checked(vectors, query)
    chosen = _alive(len(vectors), rows, dead)
    if norms is None and metric is not Metric.DOT and (chosen is None or 4 * len(chosen) > len(vectors)):
        norms = vector_norms(vectors)
    if metric is Metric.L2 and norms is not None:
        chosen = _shortlist(vectors, query, k, chosen, norms)
    if chosen is None or 4 * len(chosen) > len(vectors):  # copying that many rows costs more than scoring all
        found = scores(vectors, query, metric, norms=norms)
        if chosen is None:
            return top_k_of(np.arange(len(vectors), dtype=np.int64), found, k, metric)
        return top_k_of(chosen, found[chosen], k, metric)
    parts = [
        scores(vectors[some], query, metric, norms=None if norms is None else norms[some])
        for some in _split(chosen, max(1, 16 * _BLOCK_VALUES // vectors.shape[1]))
    ]
    found = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
    return top_k_of(chosen, found, k, metric)


def top_k_of(
    rows: NDArray[np.int64], found: Scores, k: int, metric: Metric
) -> tuple[NDArray[np.int64], Scores]:
    """The k best of scored rows, best first, ties by row number."""
    cost = found if metric.lower_is_better else -found
    if 0 < k < len(cost):
        kept = np.flatnonzero(cost <= np.partition(cost, k - 1)[k - 1])
        rows, found, cost = rows[kept], found[kept], cost[kept]
    order = np.lexsort((rows, cost))[: max(k, 0)]
    return rows[order], found[order]


def _checked(vectors: Vectors, query: Vectors) -> Vectors:
    if vectors.ndim != 2 or vectors.dtype != np.float32 or not vectors.flags.c_contiguous:
        raise ValueError(f"vectors of type {vectors.dtype} and shape {vectors.shape}")
    if query.shape != (vectors.shape[1],):
        raise ValueError(f"query of shape {query.shape} for vectors of shape {vectors.shape}")
    return np.ascontiguousarray(query, dtype=np.float32)


def _squared_distances(vectors: Vectors, query: Vectors) -> Scores:
    count, dimension = vectors.shape
    found = np.empty(count, dtype=np.float32)
    step = max(1, _BLOCK_VALUES // dimension)
    block = np.empty((min(step, count), dimension), dtype=np.float32)
    for start in range(0, count, step):
        some = vectors[start : start + step]
        difference = np.subtract(some, query, out=block[: len(some)])
        np.vecdot(difference, difference, out=found[start : start + step])
    for some_rows in _split(np.flatnonzero(~np.isfinite(found)), _WIDE_ROWS):
        wide = vectors[some_rows].astype(np.float64) - query
        found[some_rows] = np.minimum(np.vecdot(wide, wide), LARGEST)
    return found


def _products(vectors: Vectors, query: Vectors) -> Scores:
    found: Scores = np.vecdot(vectors, query)
    for some in _split(np.flatnonzero(~np.isfinite(found)), _WIDE_ROWS):
        wide = np.vecdot(vectors[some].astype(np.float64), query.astype(np.float64))
        found[some] = np.clip(wide, -LARGEST, LARGEST)
    return found


def _cosines(vectors: Vectors, query: Vectors, lengths: NDArray[np.float32]) -> Scores:
    direction = query.astype(np.float64)
    length = float(np.sqrt(np.vecdot(direction, direction)))
    if length == 0.0:
        return np.zeros(len(vectors), dtype=np.float32)
    direction /= length
    low, high = (bound**0.5 for bound in _SAFE_SQUARE)
    found: Scores = np.vecdot(vectors, direction.astype(np.float32))
    np.divide(found, lengths, out=found, where=lengths > 0)
    found[lengths == 0] = 0.0
    risky = np.flatnonzero((lengths > 0) & ~((lengths >= low) & (lengths <= high)))
    for some in _split(risky, _WIDE_ROWS):
        wide = vectors[some].astype(np.float64)
        found[some] = np.vecdot(wide, direction) / np.sqrt(np.vecdot(wide, wide))
    return np.clip(found, -1.0, 1.0, out=found)


def _alive(count: int, rows: NDArray[np.integer] | None, dead: BitMap | None) -> NDArray[np.int64] | None:
    """The rows to look at; None for all of them."""
    if rows is None and not dead:
        return None
    hidden = np.zeros(count, dtype=np.bool_)
    if dead:
        gone = np.frombuffer(dead.to_array(), dtype=np.uint32)
        hidden[gone[gone < count]] = True
    if rows is None:
        return np.flatnonzero(~hidden)
    chosen = np.asarray(rows, dtype=np.int64)
    return chosen[~hidden[chosen]]


def _shortlist(
    vectors: Vectors,
    query: Vectors,
    k: int,
    chosen: NDArray[np.int64] | None,
    lengths: NDArray[np.float32],
) -> NDArray[np.int64] | None:
    """Rows among which the k nearest by l2 are for certain, or `chosen` itself where that would not help.

    |x|² - 2xq needs one pass where the differences need two, but it cancels. Its error, and that of the direct
    sum, is at most (dimension + 3) half-ulps of (|x| + |q|)² each: every row whose lower bound is not above the
    k-th smallest upper bound stays on the list.
    """
    count = len(vectors) if chosen is None else len(chosen)
    if count < max(_SHORTLIST_FROM, 8 * k):
        return chosen
    if chosen is not None and 4 * count < len(vectors):
        vectors, lengths, inner = np.ascontiguousarray(vectors[chosen]), lengths[chosen], None
    else:
        inner = chosen
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        near: Scores = lengths * lengths - 2 * np.vecdot(vectors, query)
        reach = lengths + vector_norms(query.reshape(1, -1))[0]
        slack = np.float32((2 * len(query) + 32) * _HALF_ULP) * reach * reach + np.float32(1e-37)
        if inner is not None:
            near, slack = near[inner], slack[inner]
        highest = near + slack
        if not np.isfinite(highest).all():
            return chosen
        bound = np.partition(highest, k - 1)[k - 1]
        kept = np.flatnonzero(near - slack <= bound)
    if 3 * len(kept) > count:
        return chosen
    return kept if chosen is None else chosen[kept]


def _split(positions: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [positions[start : start + size] for start in range(0, len(positions), size)]
