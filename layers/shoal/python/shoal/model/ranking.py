"""Ranking: one list of winners out of the winners of each shard."""

from collections.abc import Sequence
from heapq import merge as merge_sorted
from itertools import islice

import numpy as np
from numpy.typing import NDArray

type ShardResult[Source] = tuple[Source, NDArray[np.int64], NDArray[np.float32]]
"""Where rows come from, their numbers, and their scores, best first."""


def merge[Source](
    results: Sequence[ShardResult[Source]], k: int, lower_is_better: bool
) -> list[tuple[Source, int, float]]:
    """The k best rows of all shards, best first, as (source, row, score).

    Ties go to the source that comes first in `results`, then to the smaller row, so that equal input gives equal
    output. A live id is in one shard only: nothing needs to be told apart by id here.
    """
    sign = 1.0 if lower_is_better else -1.0
    ranked = [
        sorted((sign * score, place, row) for row, score in zip(rows.tolist(), scores.tolist(), strict=True))
        for place, (_, rows, scores) in enumerate(results)
    ]
    best = islice(merge_sorted(*ranked), max(k, 0))
    return [(results[place][0], row, sign * cost) for cost, place, row in best]
