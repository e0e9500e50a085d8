"""Step `build_shard`: a small import becomes one shard, searched exactly until a build takes it up."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from shoal.index import id_index
from shoal.index.column_file import decode_columns
from shoal.index.record_columns import rows_of
from shoal.model.import_work import Plan, Product, Settled
from shoal.model.records import concatenate
from shoal.services.imports.chunks import chunk_records
from shoal.services.imports.workspace import Workspace
from shoal.services.outbox import Outbox


def build_shard(work: Workspace, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
    """Store all rows that count as one shard, and the run of their ids."""
    if work.recorded("product", Product) is None:
        work.enter("building")
        work.record("product", _build(work))
    return {}


def _build(work: Workspace) -> Product:
    settled = work.needed("settled", Settled)
    blocks = []
    for record in chunk_records(work, work.needed("plan", Plan).chunks):
        if record.columns is None:
            continue
        columns = decode_columns(work.read(record.columns))
        kept = settled.kept[str(record.number)]
        rows = rows_of(columns, work.sequence)
        if kept is not None:
            rows = rows.take(np.frombuffer(work.read(kept), dtype="<u4").astype(np.intp))
        blocks.append(rows)
    rows = concatenate(blocks)
    outbox = Outbox(work.ports, work.dataset)
    shard = outbox.shard(rows)
    hashes = id_index.hash_ids(rows.ids, work.dataset.hash_key)
    numbers = np.arange(len(rows), dtype=np.int64)
    run = outbox.run(id_index.entries(hashes, rows.sequences, shard.shard_id, numbers))
    outbox.flush()
    return Product(rows=len(rows), shard=shard, run=run)
