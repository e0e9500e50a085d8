"""Exact answers by brute force, in numpy alone: what recall is measured against."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.model.records import Vectors

_QUERIES_AT_ONCE = 64


def nearest(stored: Vectors, queries: Vectors, *, metric: str, k: int) -> NDArray[np.int64]:
    """The places of the k nearest stored rows of each query, in no order, shape (queries, k).

    `metric` is `l2` or `cosine`.
    """
    if metric == "cosine":
        stored = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    squares = np.einsum("ij,ij->i", stored, stored) if metric == "l2" else np.zeros(1, dtype=np.float32)
    found = [
        np.argpartition(squares - 2 * (queries[start : start + _QUERIES_AT_ONCE] @ stored.T), k, axis=1)[
            :, :k
        ]
        for start in range(0, len(queries), _QUERIES_AT_ONCE)
    ]
    return np.concatenate(found)


def recall(answers: Sequence[Sequence[str]], truth: NDArray[np.int64], ids: Sequence[str]) -> float:
    """Which part of the true answers is among the answers."""
    wanted = [{ids[place] for place in places} for places in truth.tolist()]
    pairs = zip(answers, wanted, strict=True)
    return float(np.mean([len(names.intersection(found)) / len(names) for found, names in pairs]))
