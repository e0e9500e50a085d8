"""Which rows of a version a selection means: exact and complete, for deletes, lists, counts and queries.

Where a shard has an index of its properties that can tell, nothing else is read; the records of all others are
scanned. Answers are kept in memory like what they were worked out from.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index.cell_records import CellRecords
from shoal.index.records import Records
from shoal.model.manifests import ShardRef
from shoal.model.selection import Selection
from shoal.services import masks
from shoal.services.cells import Cells
from shoal.services.property_rows import indexed_rows
from shoal.services.snapshot import Snapshot
from shoal.services.winners import Source

SCAN_BYTES = 16 * 1000 * 1000
"""Bytes of records of cells that a scan asks for at once."""

type Numbers = NDArray[np.int64]
"""Rows of a shard, or numbers of cells (see `Cells`): int64, ascending."""


def matching_rows(snapshot: Snapshot, selection: Selection) -> list[tuple[Source, Numbers]]:
    """The live rows that match, of each source that has any.

    Args:
        snapshot: the version to look into.
        selection: what must be true of a record.

    Returns:
        Shards (resident, then deltas) with rows of theirs, then the cells of each import with numbers of theirs.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    found = ((source, live_matching(snapshot, source, selection)) for source in sources_of(snapshot))
    return [(source, rows) for source, rows in found if len(rows)]


def sources_of(snapshot: Snapshot) -> list[Source]:
    """All places of rows, in the manifest's order: shards (the resident one first), then each import's cells."""
    return [*snapshot.manifest.shards, *snapshot.cells()]


def live_matching(snapshot: Snapshot, source: Source, selection: Selection) -> Numbers:
    """The live rows of one source that match.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    if selection.everything:
        return _alive(snapshot, source, np.arange(_row_count(source), dtype=np.int64))
    return _kept(
        snapshot,
        source,
        selection,
        lambda: _alive(snapshot, source, _matching(snapshot, source, selection)),
    )


def known_matching(
    snapshot: Snapshot, sources: Sequence[Source], selection: Selection, *, most_bytes: int
) -> list[Numbers | None]:
    """The live rows of each source that match, told without records, of at most `most_bytes` of indexes.

    None stands for a source of which that does not tell.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    found = [snapshot.reader.kept(_name(snapshot, source, selection)) for source in sources]
    asked = [source for source, rows in zip(sources, found, strict=True) if rows is None]
    shards = [shard for source in asked for shard in _shards(source)]
    rows = iter(indexed_rows(snapshot, shards, selection, most_bytes=most_bytes))
    for place, source in enumerate(sources):
        if found[place] is None:
            joined = _joined(source, [next(rows) for _ in _shards(source)])
            if joined is not None:
                found[place] = _kept(snapshot, source, selection, partial(_alive, snapshot, source, joined))
    return found


def _matching(snapshot: Snapshot, source: Source, selection: Selection) -> Numbers:
    """The rows of a source that match, dead ones included: the same in every version."""
    without = replace(selection, prefix=None)
    shards = _shards(source)
    known = [None] * len(shards) if without.everything else indexed_rows(snapshot, shards, without)
    if isinstance(source, Cells):
        return _matching_in_cells(snapshot, source, selection, known)
    (rows,) = known
    if rows is not None and selection.prefix is None:
        return rows
    return _scan(snapshot.reader.load(snapshot.records_part(source)), selection)


def _matching_in_cells(
    snapshot: Snapshot, cells: Cells, selection: Selection, known: Sequence[Numbers | None]
) -> Numbers:
    """As `_matching`; `known` are each shard's rows that match but for their ids, where its index can tell."""
    if selection.prefix is None and (joined := _joined(cells, known)) is not None:
        return joined
    found = [np.empty(0, dtype=np.int64)]
    shard_of, start = cells.cell_set.table["shard"], 0
    for place, (shard, rows) in enumerate(zip(cells.cell_set.shards, known, strict=True)):
        here = np.flatnonzero(shard_of == place)
        if rows is not None and selection.prefix is None:
            found.append(rows + start)
        elif rows is not None:  # only cells in which something may match need a look at their ids
            owners, _ = cells.places(rows + start)
            found.append(_scan_cells(snapshot, cells, np.unique(owners), selection))
        else:
            found.append(_scan_cells(snapshot, cells, here, selection))
        start += shard.rows
    return np.concatenate(found)


def _scan_cells(snapshot: Snapshot, cells: Cells, wanted: NDArray[np.int64], selection: Selection) -> Numbers:
    """The numbers of the rows of some cells (ascending) that match, by their records, some cells at a time."""
    found = [np.empty(0, dtype=np.int64)]
    for turn in in_turns(cells.record_bytes[wanted], most=SCAN_BYTES):
        blocks: list[CellRecords] = snapshot.reader.load_all(cells.records(wanted[turn]))
        first = cells.first[wanted[turn]].tolist()
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


def _scan(records: Records | CellRecords, selection: Selection) -> Numbers:
    return records.matching(selection).astype(np.int64)


def _alive(snapshot: Snapshot, source: Source, rows: Numbers) -> Numbers:
    """The rows that are not dead, read-only."""
    gone = (
        masks.dead_numbers(snapshot, source)
        if isinstance(source, Cells)
        else _numbers_of(snapshot.dead_rows().get(source.shard_id))
    )
    alive = rows[~masks.contains(gone, rows)] if len(gone) else rows
    alive.flags.writeable = False
    return alive


def _numbers_of(rows: BitMap | None) -> Numbers:
    return np.frombuffer(rows.to_array(), dtype=np.uint32).astype(np.int64) if rows else np.empty(0, np.int64)


def _joined(source: Source, rows: Sequence[Numbers | None]) -> Numbers | None:
    """The rows of each of a source's shards as rows of the source; None where one of them is not known."""
    found: list[Numbers] = []
    start = 0
    for shard, some in zip(_shards(source), rows, strict=True):
        if some is None:
            return None
        found.append(some + start)
        start += shard.rows
    return np.concatenate(found)


def _shards(source: Source) -> Sequence[ShardRef]:
    return source.cell_set.shards if isinstance(source, Cells) else (source,)


def _row_count(source: Source) -> int:
    return sum(shard.rows for shard in _shards(source))


def _kept(snapshot: Snapshot, source: Source, selection: Selection, make: Callable[[], Numbers]) -> Numbers:
    return snapshot.reader.made(_name(snapshot, source, selection), make, lambda rows: rows.nbytes)


def _name(snapshot: Snapshot, source: Source, selection: Selection) -> str:
    """What the cache calls the live rows of a source that match: equal names mean equal selections."""
    manifest = snapshot.manifest
    what = source.name if isinstance(source, Cells) else source.shard_id
    digest = blake2b(repr(selection).encode(), digest_size=16).hexdigest()
    return f"live#{manifest.dataset_id}/{manifest.version}#{what}#{digest}"
