"""How many cells must be probed, worked out from the best rows of all shards for each query of calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index.cell_recall import CANDIDATE, Queries
from shoal.index.probing import Probing
from shoal.model.records import Vectors

K = 10


@dataclass(frozen=True, slots=True)
class Probes:
    """`probes` find a share `measured` of the best rows."""

    probes: int
    measured: float


def least_probes(
    probing: Probing, queries: Queries, found: Sequence[NDArray[np.void]], *, target: float
) -> Probes:
    """The fewest probes with which both kinds of queries reach the target, and what the worse of them reaches.

    Args:
        probing: of all cells.
        queries: the queries.
        found: candidates from all shards, `cell` as a number in `probing`.
        target: recall to reach, 0 to 1.
    """
    table = np.concatenate(found) if found else np.empty(0, dtype=CANDIDATE)
    cost = table["score"] if probing.geometry.metric.lower_is_better else -table["score"]
    table = table[np.lexsort((cost, table["query"]))]
    bounds = np.searchsorted(table["query"], np.arange(len(queries.vectors) + 1)).tolist()
    ranks: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for number, query in enumerate(queries.vectors):
        mine = table[bounds[number] : bounds[number + 1]]
        if len(mine):
            ranks[number >= queries.rows].append(_ranks(probing, query, mine))
    kinds = [np.concatenate(kind) for kind in ranks if kind]
    probes = 1
    for kind in kinds:
        needed = int(np.ceil(round(target * len(kind), 6)))
        probes = max(probes, int(np.sort(kind)[max(needed, 1) - 1]))
    return Probes(probes, min((float((kind <= probes).mean()) for kind in kinds), default=1.0))


def _ranks(probing: Probing, query: Vectors, mine: NDArray[np.void]) -> NDArray[np.int64]:
    """How many cells must be probed for the best, the second best, ... the tenth best row: int64, shape (k,).

    A row counts when it is as good as the tenth best, so of rows that tie for it the first found do.
    """
    wanted = min(K, len(mine))
    limit = float(mine["score"][wanted - 1])
    tolerance = 1e-5 * abs(limit) + 1e-9
    scores = mine["score"].astype(np.float64)
    good = (
        scores <= limit + tolerance
        if probing.geometry.metric.lower_is_better
        else scores >= limit - tolerance
    )
    order = probing.nearest(query, len(probing))
    place = np.empty(len(probing), dtype=np.int64)
    place[order] = np.arange(1, len(probing) + 1)
    ranks: NDArray[np.int64] = np.sort(place[mine["cell"][good]])[:wanted]
    return ranks
