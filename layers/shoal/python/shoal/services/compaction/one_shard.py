"""Step `build_shard`: what is left is small enough for the resident shard, which is built at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from shoal.errors import CorruptObject
from shoal.index import id_index
from shoal.index.column_file import decode_columns
from shoal.index.record_columns import rows_of
from shoal.model.import_work import Product
from shoal.model.records import concatenate
from shoal.services.compaction.workspace import CompactionRun
from shoal.services.outbox import Outbox
from shoal.services.parallel import in_parallel
from shoal.services.resident import resident_shard


def build_shard(work: CompactionRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
    """Store all rows as one shard with a graph, and the run of their ids."""
    if work.recorded("product", Product) is None:
        work.enter("building")
        work.record("product", _build(work))
    return {}


def _build(work: CompactionRun) -> Product:
    blocks = in_parallel(
        lambda piece: rows_of(decode_columns(work.read(piece.columns)), work.sequence), work.pieces()
    )
    rows = concatenate(blocks)
    if len(rows) != work.row_count():
        raise CorruptObject("the pieces have other rows than were counted")
    outbox = Outbox(work.ports, work.dataset)
    shard, recall = resident_shard(outbox, work.dataset, rows, now=work.ports.clock())
    hashes = id_index.hash_ids(rows.ids, work.dataset.hash_key)
    entries = id_index.entries(hashes, rows.sequences, shard.shard_id, np.arange(len(rows), dtype=np.int64))
    if len(entries) != len(rows):
        raise CorruptObject("the shards have the same id twice")
    run = outbox.run(entries)
    outbox.flush()
    return Product(rows=len(rows), shard=shard, run=run, recall=recall)
