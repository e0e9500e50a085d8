"""A query with a selection: which rows match is found out first, and that decides where to look."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InvalidInput
from shoal.index.exact import Scores
from shoal.model.manifests import ShardRef
from shoal.model.queries import QueryRequest
from shoal.model.selection import Selection
from shoal.services import flat
from shoal.services.filtered_cells import FilteredCells
from shoal.services.lanes import Lane
from shoal.services.matching import known_matching
from shoal.services.property_rows import unindexed_paths
from shoal.services.query_trace import Trace
from shoal.services.rounds import imports_of
from shoal.services.snapshot import Snapshot
from shoal.services.tolerance import Loader
from shoal.services.winners import Source

INDEX_BYTES = 64 * 1000 * 1000
"""Bytes of indexes of properties that a query reads at most. A filter that needs more leaves so much that the
nearest cells are looked into instead."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of cells that a query looks at, at most, and up to which it opens every cell that holds a match."""

    budget: int
    exact: int


@dataclass(frozen=True, slots=True)
class Found:
    """The best rows of each source with their scores, what was loaded, and whether more should have been seen."""

    best: list[tuple[Source, NDArray[np.int64], Scores]]
    loaded: dict[str, Any]
    partial: bool


def search(
    snapshot: Snapshot,
    request: QueryRequest,
    selection: Selection,
    trace: Trace,
    loader: Loader,
    limits: Limits,
) -> Found:
    """The best rows that match.

    Raises:
        InvalidInput: `filter_not_indexed`, where the budget ends the search of what no index covers.
    """
    with trace.stage("open"):
        dead = snapshot.dead_rows()
        imports = imports_of(snapshot)
        trace.cells_total = sum(len(item.cells) for item in imports)
    with trace.stage("filter"):
        resident = snapshot.manifest.resident
        flat_sources: list[ShardRef] = [resident] if resident else []
        sources: list[Source] = [*flat_sources, *(item.cells for item in imports)]
        known = known_matching(snapshot, sources, selection, most_bytes=INDEX_BYTES)
        pairs = zip(flat_sources, known, strict=False)
        in_flat = {shard.shard_id: rows for shard, rows in pairs if rows is not None}
    with trace.stage("route"):
        lanes = [
            Lane(item, request.vector, rows)
            for item, rows in zip(imports, known[len(flat_sources) :], strict=True)
        ]
        cells = FilteredCells(
            lanes,
            request,
            selection,
            snapshot.dataset.metric,
            loader=loader,
            trace=trace,
            budget=limits.budget,
            exact_bytes=limits.exact,
        )
    pieces = cells.begin()
    with trace.stage("load"):
        loaded = loader.load([*flat.parts_of(snapshot, request, in_flat), *pieces])
    with trace.stage("score"):
        best: list[tuple[Source, NDArray[np.int64], Scores]] = []
        best += flat.search(snapshot, request, loaded, dead, in_flat, trace)
        missing = request.top_k - sum(len(rows) for _, rows, _ in best)
        cells.score(loaded)
    while (more := cells.widen(missing)) is not None:
        with trace.stage("load"):
            loaded |= loader.load(more)
        with trace.stage("score"):
            cells.score(loaded)
    if cells.partial and not request.allow_partial:
        _refuse_unindexed(snapshot, lanes, selection, limits.budget)
    _note(trace, lanes, cells)
    return Found([*best, *cells.best], loaded, cells.partial)


def _refuse_unindexed(snapshot: Snapshot, lanes: list[Lane], selection: Selection, budget: int) -> None:
    """Say what to index, where that would have answered the query."""
    shards = [shard for lane in lanes if not lane.known for shard in lane.item.cells.cell_set.shards]
    paths = unindexed_paths(snapshot, shards, selection)
    if paths:
        raise InvalidInput(
            "filter_not_indexed",
            f"filter.{paths[0]} is not indexed, and without that the search ended at {budget} bytes before it "
            "found enough; choose fewer records by other paths, or allow a partial answer",
            {"paths": list(paths)},
        )


def _note(trace: Trace, lanes: list[Lane], cells: FilteredCells) -> None:
    """How the query was answered, and how many rows match, as far as that is known."""
    trace.decided = "exact" if cells.everything_opened else "probed"
    for lane in lanes:
        trace.matched(lane.matches)
