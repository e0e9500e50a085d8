"""Exact search over chosen rows of many small blocks: those that match a filter, in cells that a query opened."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.index import block_scan, exact
from shoal.index.exact import Scores
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

_COPIED = 1 / 4
"""Of the rows of a block: where more are chosen, comparing all of them costs less than copying those."""


def top_k(
    blocks: Sequence[Vectors],
    lengths: Sequence[NDArray[np.float32]],
    rows: NDArray[np.int64],
    counts: NDArray[np.int64],
    query: Vectors,
    metric: Metric,
    k: int,
) -> tuple[NDArray[np.int64], Scores]:
    """The k best of the chosen rows, best first; fewer only where fewer are chosen.

    Args:
        blocks: float32, each of shape (n, dimension), C-contiguous, finite.
        lengths: what `exact.vector_norms` gives for each block.
        rows: those chosen of the first block, ascending, then those of the second, …: int64, shape (m,).
        counts: how many are chosen of each block: int64, shape (blocks,).
        query: float32, shape (dimension,), finite.
        metric: how to compare.
        k: how many.

    Returns:
        Places in `rows` (int64), and their scores, equal to those of `exact.scores`. Ties go by place within the
        blocks that are compared whole, and within the others.
    """
    sizes = np.fromiter(map(len, blocks), dtype=np.int64, count=len(blocks))
    copied = counts <= _COPIED * sizes
    of_copied = np.repeat(copied, counts)
    whole = np.flatnonzero(~copied).tolist()
    scanned = [blocks[number] for number in whole]
    norms = [lengths[number] for number in whole]

    # Where the chosen rows lie when the blocks that are compared whole are joined, and the copies follow them.
    starts = np.cumsum(np.where(copied, 0, sizes)) - sizes
    within = (np.repeat(starts, counts) + rows)[~of_copied]
    total = int(sizes[~copied].sum())
    hidden = None
    if len(within) < total:
        left_out = np.ones(total, dtype=np.bool_)
        left_out[within] = False
        hidden = np.flatnonzero(left_out)
    if of_copied.any():
        copies = _copies(blocks, rows, counts, np.flatnonzero(copied & (counts > 0)))
        scanned.append(copies)
        norms.append(exact.vector_norms(copies))
    positions, scores = block_scan.top_k(scanned, norms, query, metric, k, hidden=hidden)

    places = np.empty(len(positions), dtype=np.int64)
    in_whole = positions < total
    places[in_whole] = np.flatnonzero(~of_copied)[np.searchsorted(within, positions[in_whole])]
    places[~in_whole] = np.flatnonzero(of_copied)[positions[~in_whole] - total]
    return places, scores


def _copies(
    blocks: Sequence[Vectors], rows: NDArray[np.int64], counts: NDArray[np.int64], wanted: NDArray[np.intp]
) -> Vectors:
    """The chosen rows of some blocks, one after the other."""
    ends = np.cumsum(counts)
    found = np.empty((int(counts[wanted].sum()), blocks[0].shape[1]), dtype=np.float32)
    filled = 0
    places = zip(wanted.tolist(), (ends - counts)[wanted].tolist(), ends[wanted].tolist(), strict=True)
    for number, start, stop in places:
        new = found[filled : filled + stop - start]
        blocks[number].take(rows[start:stop], axis=0, out=new, mode="clip")  # without a buffer of its own
        filled += stop - start
    return found
