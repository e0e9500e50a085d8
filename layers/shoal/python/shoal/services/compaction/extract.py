"""Step `extract`: the live rows of some inputs as columns, each with the sequence that it has."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyroaring import BitMap

from shoal.index import id_index
from shoal.index.cell_blocks import CellRows, concatenate, take
from shoal.index.cell_records import CellRecords
from shoal.index.column_file import Columns, encode_columns
from shoal.index.record_columns import RecordColumns
from shoal.index.records import Records
from shoal.model.datasets import Dataset
from shoal.model.records import Vectors
from shoal.services.cells import CellVectors
from shoal.services.compaction.records import Extracted, ExtractItem, Source
from shoal.services.compaction.workspace import CompactionRun
from shoal.services.pipeline.sample import encode_sample, sample_positions
from shoal.services.publish import live_positions
from shoal.services.snapshot import ShardVectors, Snapshot


def extract(work: CompactionRun, item: Mapping[str, Any]) -> dict[str, Any]:
    """Read the rows of the item's sources that were alive in the version that is compacted."""
    task = ExtractItem.of_item(item)
    name = f"extract-{task.number:06d}"
    if work.recorded(name, Extracted) is None and work.record(name, _extract(work, task, name))[1]:
        work.piece_done()
    return {}


def _extract(work: CompactionRun, task: ExtractItem, name: str) -> Extracted:
    snapshot = work.snapshot()
    dead = snapshot.dead()
    read = [_live_rows(snapshot, source, dead.get(source.shard_id)) for source in task.sources]
    blocks = [rows for rows in read if len(rows)]
    if not blocks:
        return Extracted(number=task.number, rows=0)
    rows = concatenate(blocks)
    chosen = sample_positions(len(rows), task.sample_rows, seed=task.number)
    hashes = np.ascontiguousarray(rows.hashes, dtype="<u8")
    return Extracted(
        number=task.number,
        rows=len(rows),
        columns=work.put(f"{name}-columns", encode_columns(rows.columns)),
        hashes=work.put(f"{name}-hashes", hashes.data.cast("B")),
        sample=work.put(f"{name}-sample", encode_sample(rows.columns.vectors[chosen], rows.hashes[chosen])),
    )


def _live_rows(snapshot: Snapshot, source: Source, dead: BitMap | None) -> CellRows:
    if source.cell_set is None:
        return _of_flat_shard(snapshot, source, dead)
    return _of_cells(snapshot, source, source.cell_set, dead)


def _of_flat_shard(snapshot: Snapshot, source: Source, dead: BitMap | None) -> CellRows:
    shard = snapshot.shard(source.shard_id)
    vectors: ShardVectors
    records: Records
    vectors, records = snapshot.reader.load_all([snapshot.vectors_part(shard), snapshot.records_part(shard)])
    return _alive(snapshot.dataset, vectors.rows, records.columns(), dead, first_row=0)


def _of_cells(snapshot: Snapshot, source: Source, cell_set: int, dead: BitMap | None) -> CellRows:
    """Cell by cell, so that the dead rows of one are gone before the next one is joined to it."""
    cells = snapshot.cells()[cell_set]
    numbers = np.arange(source.cell, source.stop)
    vectors: Sequence[CellVectors] = snapshot.reader.load_all(cells.vectors(numbers))
    records: Sequence[CellRecords] = snapshot.reader.load_all(cells.records(numbers))
    firsts = cells.cell_set.table["first_row"][numbers].tolist()
    parts = [
        _alive(snapshot.dataset, some.rows, block.columns(), dead, first_row=first)
        for some, block, first in zip(vectors, records, firsts, strict=True)
    ]
    return concatenate(parts)


def _alive(
    dataset: Dataset, vectors: Vectors, records: RecordColumns, dead: BitMap | None, *, first_row: int
) -> CellRows:
    """The rows that are not dead; the first of them is row `first_row` of its shard."""
    columns = Columns(
        records.ids,
        vectors,
        records.metadata,
        records.namespaces,
        records.documents,
        np.ascontiguousarray(records.sequences, dtype=np.uint64),
    )
    gone = None
    if dead:
        gone = (dead & BitMap(range(first_row, first_row + len(columns)))).shift(-first_row)
    hashes = id_index.hash_encoded(columns.ids.tolist(), dataset.hash_key)
    rows = CellRows(columns, hashes)
    return take(rows, live_positions(len(rows), gone)) if gone else rows
