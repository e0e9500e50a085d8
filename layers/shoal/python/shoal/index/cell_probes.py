"""How many cells must be probed, worked out from the best rows of all shards for each query of calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index.cell_recall import CANDIDATE, Queries
from shoal.index.probing import Probing
from shoal.model.datasets import Metric

K = 10


@dataclass(frozen=True, slots=True)
class Probes:
    """`probes` find a share `measured` of the best rows."""

    probes: int
    measured: float


def probe_places(probing: Probing, queries: Queries) -> NDArray[np.uint32]:
    """As the how manieth, from 1 on, each query probes each cell: uint32, shape (queries, cells)."""
    places = np.empty((len(queries.vectors), len(probing)), dtype=np.uint32)
    for number, query in enumerate(queries.vectors):
        places[number, probing.nearest(query, len(probing))] = np.arange(1, len(probing) + 1)
    return places


def least_probes(
    places: NDArray[np.uint32],
    queries: Queries,
    found: Sequence[NDArray[np.void]],
    *,
    metric: Metric,
    target: float,
) -> Probes:
    """The fewest probes with which both kinds of queries reach the target, and what the worse of them reaches.

    Args:
        places: of `probe_places`.
        queries: the queries.
        found: candidates from all shards, `cell` as a number in the columns of `places`.
        metric: how near two vectors are.
        target: recall to reach, 0 to 1.
    """
    table = np.concatenate(found) if found else np.empty(0, dtype=CANDIDATE)
    cost = table["score"] if metric.lower_is_better else -table["score"]
    table = table[np.lexsort((cost, table["query"]))]
    bounds = np.searchsorted(table["query"], np.arange(len(queries.vectors) + 1)).tolist()
    ranks: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for number, row in enumerate(places):
        mine = table[bounds[number] : bounds[number + 1]]
        if len(mine):
            ranks[number >= queries.rows].append(_ranks(row, mine, metric))
    kinds = [np.concatenate(kind) for kind in ranks if kind]
    probes = 1
    for kind in kinds:
        needed = int(np.ceil(round(target * len(kind), 6)))
        probes = max(probes, int(np.sort(kind)[max(needed, 1) - 1]))
    return Probes(probes, min((float((kind <= probes).mean()) for kind in kinds), default=1.0))


def _ranks(places: NDArray[np.uint32], mine: NDArray[np.void], metric: Metric) -> NDArray[np.int64]:
    """How many cells must be probed for the best, the second best, ... the tenth best row: int64, shape (k,).

    A row counts when it is as good as the tenth best, so of rows that tie for it the first found do.
    """
    wanted = min(K, len(mine))
    limit = float(mine["score"][wanted - 1])
    tolerance = 1e-5 * abs(limit) + 1e-9
    scores = mine["score"].astype(np.float64)
    good = scores <= limit + tolerance if metric.lower_is_better else scores >= limit - tolerance
    ranks: NDArray[np.int64] = np.sort(places[mine["cell"][good]].astype(np.int64))[:wanted]
    return ranks
