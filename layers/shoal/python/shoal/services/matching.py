"""Which rows of a version a selection means: exact and complete, for deletes, lists, counts and queries."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index.cell_records import CellRecords
from shoal.index.records import Records
from shoal.model.manifests import ShardRef
from shoal.model.selection import Selection
from shoal.services import masks
from shoal.services.cells import Cells
from shoal.services.snapshot import Snapshot
from shoal.services.winners import Source

SCAN_BYTES = 16 * 1000 * 1000
"""Bytes of records of cells that a scan asks for at once."""


def matching_rows(snapshot: Snapshot, selection: Selection) -> list[tuple[Source, NDArray[np.int64]]]:
    """The live rows that match, of each source that has any.

    Args:
        snapshot: the version to look into.
        selection: what must be true of a record.

    Returns:
        Shards (resident, then deltas) with rows of theirs, then the cells of each import with numbers of theirs
        (see `Cells`); rows and numbers are int64 and ascending.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    found = ((source, live_matching(snapshot, source, selection)) for source in sources_of(snapshot))
    return [(source, rows) for source, rows in found if len(rows)]


def sources_of(snapshot: Snapshot) -> list[Source]:
    """All places of rows, in the manifest's order: shards (the resident one first), then each import's cells."""
    return [*snapshot.manifest.shards, *snapshot.cells()]


def live_matching(snapshot: Snapshot, source: Source, selection: Selection) -> NDArray[np.int64]:
    """The live rows of one source that match, or numbers of cells: int64, ascending.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    if isinstance(source, Cells):
        numbers = matching_in_cells(snapshot, source, selection)
        return numbers[~masks.contains(masks.dead_numbers(snapshot, source), numbers)]
    dead = masks.dead_rows(snapshot).get(source.shard_id)
    return _alive(matching_in_shard(snapshot, source, selection), dead)


def matching_in_shard(snapshot: Snapshot, shard: ShardRef, selection: Selection) -> NDArray[np.int64]:
    """The rows of the resident shard or a delta that match, dead ones included: int64, ascending.

    It depends on nothing but the shard and the selection, so it holds in every version.
    """
    if selection.everything:
        return np.arange(shard.rows, dtype=np.int64)
    return _scan(snapshot.reader.load(snapshot.records_part(shard)), selection)


def matching_in_cells(snapshot: Snapshot, cells: Cells, selection: Selection) -> NDArray[np.int64]:
    """The numbers of the rows of an import's cells that match, dead ones included: int64, ascending.

    It depends on nothing but the cells and the selection, so it holds in every version.
    """
    if selection.everything:
        return np.arange(int(cells.rows.sum()), dtype=np.int64)
    found = [np.empty(0, dtype=np.int64)]
    for some in in_turns(cells.record_bytes, most=SCAN_BYTES):
        blocks: list[CellRecords] = snapshot.reader.load_all(cells.records(some))
        first = cells.first[some].tolist()
        found += [_scan(block, selection) + start for block, start in zip(blocks, first, strict=True)]
    return np.concatenate(found)


def in_turns(sizes: NDArray[np.int64], *, most: int) -> Iterator[NDArray[np.int64]]:
    """The places of sizes, consecutive ones together so long as they have at most `most` in all, or are alone."""
    spent = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(spent[start] - sizes[start])
        stop = max(start + 1, int(np.searchsorted(spent, before + most, side="right")))
        yield np.arange(start, stop)
        start = stop


def _alive(rows: NDArray[np.int64], dead: BitMap | None) -> NDArray[np.int64]:
    if not dead:
        return rows
    gone = np.frombuffer(dead.to_array(), dtype=np.uint32).astype(np.int64)
    return rows[~masks.contains(gone, rows)]


def _scan(records: Records | CellRecords, selection: Selection) -> NDArray[np.int64]:
    """The rows of some records that match: int64, ascending."""
    return records.matching(selection).astype(np.int64)
