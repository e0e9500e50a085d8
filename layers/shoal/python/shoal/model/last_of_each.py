"""Which of several records of one id counts: the last one."""

import numpy as np
from numpy.typing import NDArray


def last_of_each(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark the last occurrence of each hash.

    One sort of one half of the hashes, as equal halves are nearly always equal hashes: only rows that share it are
    looked at again.

    Args:
        hashes: uint64, shape (n, 2).

    Returns:
        bool, shape (n,).
    """
    high = np.ascontiguousarray(hashes[:, 0])
    order = np.argsort(high, kind="stable")
    ordered = high[order]
    twins = ordered[1:] == ordered[:-1]
    last = np.ones(len(hashes), dtype=np.bool_)
    if not twins.any():
        return last
    shared = np.zeros(len(hashes), dtype=np.bool_)
    shared[1:] = twins
    shared[:-1] |= twins
    rows = np.sort(order[shared])
    again = np.lexsort((hashes[rows, 1], hashes[rows, 0]))  # stable: rows of one hash stay in their order
    rows = rows[again]
    followed = (hashes[rows[1:]] == hashes[rows[:-1]]).all(axis=1)
    last[rows[:-1][followed]] = False
    return last
