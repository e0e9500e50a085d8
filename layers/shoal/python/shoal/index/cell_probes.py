"""How many cells must be probed, worked out from the best rows of all shards for each query of calibration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.index.cell_recall import CANDIDATE, FILTER_ONE_IN, Queries
from shoal.index.probing import Probing
from shoal.model.datasets import Metric
from shoal.model.manifests import CellRecall

K = 10
_UNCALIBRATED = 3

type Needed = Sequence[NDArray[np.int64]]
"""Of each kind of queries: how many cells must be probed for each of its best rows."""


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


def probes_needed(
    places: NDArray[np.uint32], queries: Queries, found: Sequence[NDArray[np.void]], *, metric: Metric
) -> Needed:
    """How many cells must be probed for each of the best rows of all queries, by kind of queries.

    Args:
        places: of `probe_places`.
        queries: the queries.
        found: candidates from all shards, `cell` as a number in the columns of `places`.
        metric: how near two vectors are.

    Returns:
        Of each kind that has candidates: int64, shape (rows wanted of all its queries,).
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
    return [np.concatenate(kind) for kind in ranks if kind]


def least_probes(needed: Needed, target: float) -> Probes:
    """The fewest probes with which both kinds of queries reach the target, and what the worse of them reaches.

    Args:
        needed: of `probes_needed`.
        target: recall to reach, 0 to 1.
    """
    probes = 1
    for kind in needed:
        wanted = int(np.ceil(round(target * len(kind), 6)))
        probes = max(probes, int(np.sort(kind)[max(wanted, 1) - 1]))
    return Probes(probes, min((float((kind <= probes).mean()) for kind in needed), default=1.0))


def probes_for(recall: CellRecall, share: float) -> int:
    """How many cells a query probes of which a filter leaves this share of the rows, for `FILTERED_RECALL`.

    Between all rows and one in a hundred, which calibration tries, it grows with the logarithm of the share. Below
    that a query goes on until as many rows that match were compared as with one in a hundred: see `rows_for`.

    Cells in which nothing matches do not count. Of 400,000 x 50 GloVe vectors in 1,895 cells (l2), 99 % of the
    best ten of 300 held-out rows and of 200 midpoints needed, with filters that choose rows at random::

        share           100 %   50 %   10 %    3 %    1 %
        held out          214    234    281    365    442
        midpoints         362    361    517    551    428
        this function     362    383    431    467    500

    A cell set from before this was calibrated is probed three times as much as for its own target: for 0.99
    instead of 0.95 it took 2.0 to 3.2 times as many cells.
    """
    if recall.filtered_target is None or recall.sure_probes is None:
        sure, narrow = _UNCALIBRATED * recall.probes, _UNCALIBRATED * recall.filtered_probes
    else:
        sure, narrow = recall.sure_probes, recall.filtered_probes
    depth = math.log(max(share, 1 / FILTER_ONE_IN)) / math.log(1 / FILTER_ONE_IN)
    return math.ceil(sure + max(0, narrow - sure) * min(max(depth, 0.0), 1.0))


def rows_for(recall: CellRecall, mean_rows: float) -> int:
    """How many rows that match a query compares at least where a filter leaves fewer than one in a hundred.

    So many are found by a filter of one in a hundred, in the cells that calibration found enough for it.

    Args:
        recall: of the cell set.
        mean_rows: live rows of a cell.
    """
    return math.ceil(probes_for(recall, 1 / FILTER_ONE_IN) * mean_rows / FILTER_ONE_IN)


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
