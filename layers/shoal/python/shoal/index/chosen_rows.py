"""Exact search over chosen rows of many small blocks: those that match a filter, in cells that a query opened."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.index import block_scan
from shoal.index.exact import Scores
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

_COPIED = 1 / 4
"""Of the rows of a block: where more are chosen, comparing all of them costs less than copying those."""


def top_k(
    blocks: Sequence[Vectors],
    lengths: Sequence[NDArray[np.float32]],
    chosen: Sequence[NDArray[np.int64]],
    query: Vectors,
    metric: Metric,
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Scores]:
    """The k best of the chosen rows, best first; fewer only where fewer are chosen.

    Args:
        blocks: float32, each of shape (n, dimension), C-contiguous, finite.
        lengths: what `exact.vector_norms` gives for each block.
        chosen: rows of each block: int64, ascending.
        query: float32, shape (dimension,), finite.
        metric: how to compare.
        k: how many.

    Returns:
        Blocks and rows within them (int64), and their scores, equal to those of `exact.scores`. Ties are in no
        order that means anything.
    """
    whole: list[int] = []
    hidden: list[NDArray[np.int64]] = []
    copied: list[int] = []
    position = 0
    for number, (rows, some) in enumerate(zip(blocks, chosen, strict=True)):
        if len(some) <= _COPIED * len(rows):
            copied.append(number)
            continue
        if len(some) < len(rows):
            others = np.ones(len(rows), dtype=np.bool_)
            others[some] = False
            hidden.append(np.flatnonzero(others) + position)
        whole.append(number)
        position += len(rows)
    scanned = [blocks[number] for number in whole]
    norms = [lengths[number] for number in whole]
    if copied:
        scanned.append(np.concatenate([blocks[number][chosen[number]] for number in copied]))
        norms.append(np.concatenate([lengths[number][chosen[number]] for number in copied]))
    positions, scores = block_scan.top_k(
        scanned, norms, query, metric, k, hidden=np.concatenate(hidden) if hidden else None
    )
    # Where each block's part begins: all rows of the first kind, then the chosen ones of the second.
    sizes = [len(blocks[number]) for number in whole] + [len(chosen[number]) for number in copied]
    starts = np.cumsum(sizes) - sizes
    part = np.searchsorted(starts, positions, side="right") - 1
    within = positions - starts[part] if len(positions) else positions
    for place in np.flatnonzero(part >= len(whole)).tolist():
        within[place] = chosen[copied[part[place] - len(whole)]][within[place]]
    owners = np.array([*whole, *copied], dtype=np.int64)
    return owners[part], within, scores
