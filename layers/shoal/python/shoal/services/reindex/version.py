"""The version of the source that a reindex embeds: how its rows are dealt out, and the objects in them."""

from collections.abc import Iterable, Iterator
from itertools import batched

import numpy as np
from pyroaring import BitMap

from shoal.index.cell_records import CellRecords
from shoal.index.records import Record, Records
from shoal.index.shard import RECORDS_FILE
from shoal.model.bindings import Field, object_of
from shoal.model.datasets import Dataset
from shoal.model.filters import parse_filter
from shoal.model.reindex_work import ITEM_BYTES, RowPart, RowSource, SourceVersion, cut
from shoal.model.selection import Selection
from shoal.services.cells import Cells
from shoal.services.collections.objects import SourceObject, object_of_metadata
from shoal.services.matching import matching_rows
from shoal.services.parts import PartReader
from shoal.services.snapshot import Snapshot, manifest_part
from shoal.storage.ports import Ports

_CACHE_BYTES = 64 * 1000 * 1000
_ROWS_AT_ONCE = 512
_WHOLE_ROWS_AT_ONCE = 64
"""With their documents, which may have 16 MB together."""
_CELLS_AT_ONCE = 8
_OBJECTS = Selection(filter=parse_filter({Field.PART: 0}))


def open_version(ports: Ports, dataset: Dataset, version: SourceVersion) -> Snapshot | None:
    """The version, opened; None of a collection into which nothing was ever written.

    Raises:
        CorruptObject: its manifest is missing or damaged.
    """
    if version.manifest is None or version.manifest_sha256 is None:
        return None
    reader = PartReader(ports.objects, cache_bytes=_CACHE_BYTES)
    manifest = reader.load(manifest_part(version.manifest, version.manifest_sha256))
    return Snapshot(dataset, manifest, reader, version.manifest, version.manifest_sha256)


def count_objects(snapshot: Snapshot, *, many_parts: bool) -> int:
    """How many objects there are: records of a first part."""
    if not many_parts:
        return snapshot.manifest.row_count
    return sum(len(rows) for _, rows in matching_rows(snapshot, _OBJECTS))


def parts_of(snapshot: Snapshot, most_rows: int, *, most_bytes: int = ITEM_BYTES) -> Iterator[RowPart]:
    """All rows, in pieces of at most so many rows or bytes of records (but for a single cell that has more)."""
    for shard in snapshot.manifest.shards:
        source = RowSource(shard_id=shard.shard_id, start=0, stop=shard.rows)
        whole = RowPart(source, shard.rows, shard.files[RECORDS_FILE].size)
        yield from cut(whole, most_rows, most_bytes=most_bytes)
    for place, cells in enumerate(snapshot.cells()):
        yield from _parts_of_cells(place, cells, most_rows, most_bytes)


def _parts_of_cells(place: int, cells: Cells, most_rows: int, most_bytes: int) -> Iterator[RowPart]:
    owners = cells.cell_set.table["shard"]
    for number, shard in enumerate(cells.cell_set.shards):
        first, end = np.searchsorted(owners, (number, number + 1)).tolist()
        while first < end:
            rows, size, stop = int(cells.rows[first]), int(cells.record_bytes[first]), first + 1
            while (
                stop < end
                and rows + cells.rows[stop] <= most_rows
                and size + cells.record_bytes[stop] <= most_bytes
            ):
                rows += int(cells.rows[stop])
                size += int(cells.record_bytes[stop])
                stop += 1
            source = RowSource(shard_id=shard.shard_id, cell_set=place, start=first, stop=stop)
            yield RowPart(source, rows, size)
            first = stop


def objects_of(snapshot: Snapshot, sources: Iterable[RowSource]) -> Iterator[SourceObject]:
    """The objects whose first part is among the rows.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    for record in live_records(snapshot, sources, documents=False):
        if object_of(record.id) == record.id:
            yield object_of_metadata(record.id, record.metadata)


def live_records(snapshot: Snapshot, sources: Iterable[RowSource], *, documents: bool) -> Iterator[Record]:
    """The records of the rows that are alive, in their order; without their documents where nobody wants them.

    Raises:
        CorruptObject: something stored is not what names it.
    """
    dead = snapshot.dead()
    for source in sources:
        gone = dead.get(source.shard_id)
        if source.cell_set is None:
            shard = snapshot.shard(source.shard_id)
            records: Records = snapshot.reader.load(snapshot.records_part(shard))
            yield from _alive(records, source.start, source.stop, gone, first_row=0, documents=documents)
            continue
        cells = snapshot.cells()[source.cell_set]
        for some in batched(range(source.start, source.stop), _CELLS_AT_ONCE):
            numbers = np.array(some, dtype=np.int64)
            blocks: list[CellRecords] = snapshot.reader.load_all(cells.records(numbers))
            first_rows = cells.cell_set.table["first_row"][numbers].tolist()
            for block, first_row in zip(blocks, first_rows, strict=True):
                yield from _alive(block, 0, len(block), gone, first_row=first_row, documents=documents)


def _alive(
    records: Records | CellRecords,
    start: int,
    stop: int,
    dead: BitMap | None,
    *,
    first_row: int,
    documents: bool,
) -> Iterator[Record]:
    """Those of live rows from `start` to before `stop`; row 0 is row `first_row` of the shard."""
    alive = (row for row in range(start, stop) if dead is None or row + first_row not in dead)
    for rows in batched(alive, _WHOLE_ROWS_AT_ONCE if documents else _ROWS_AT_ONCE):
        found = records.by_rows(rows, documents=documents)
        yield from (found[row] for row in rows)
