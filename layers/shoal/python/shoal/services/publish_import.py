"""Making an import visible: which of its rows count, which rows they replace, and the manifest that names them.

Everything that the import built is stored already; what is worked out here is how it meets what was written
meanwhile (invariant 3): a row of it loses to any write of the same id after the import began.
"""

from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index import id_index
from shoal.index.id_index import Entries, Located
from shoal.model.datasets import Dataset
from shoal.model.import_work import Product
from shoal.model.limits import MAX_DELTAS
from shoal.model.manifests import RunRef, ShardRef
from shoal.model.records import Rows, concatenate
from shoal.services.changes import rows_that_die
from shoal.services.heads import Swap
from shoal.services.outbox import Outbox
from shoal.services.parts import PartReader
from shoal.services.publish import (
    Publication,
    deltas_to_fold,
    live_rows,
    read_to_fold,
    send,
    with_dead_rows,
    with_new_run,
)
from shoal.services.roots import check_there
from shoal.services.snapshot import DeadRows, cell_set_part, run_part
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Ports


@dataclass(frozen=True, slots=True)
class Meeting:
    """How an import meets what is there: rows that die on either side, and how many ids come into being."""

    died: DeadRows
    born: int


def meet(entries: Entries, located: Located, *, opened: int) -> Meeting:
    """Decide for each id of an import, given what is known of it now.

    Args:
        entries: of the import's rows.
        located: what the dataset knows of the same hashes, in the same order.
        opened: the import's first sequence: later writes win, deletions too.
    """
    loses = located.found & (located.sequence > np.uint64(opened))
    replaced = Located(
        found=located.found,
        shard=np.where(loses, -1, located.shard),
        row=np.where(loses, -1, located.row),
        sequence=located.sequence,
        shard_ids=located.shard_ids,
    )
    died: DeadRows = rows_that_die(replaced)
    for number, shard_id in enumerate(entries.shard_ids):
        rows = entries.table["row"][loses & (entries.table["shard"] == number)]
        if len(rows):
            died[shard_id] = BitMap(rows.astype(np.uint32))
    return Meeting(died=died, born=int((~loses & ~located.live).sum()))


def publish_import(ports: Ports, reader: PartReader, base: Publication, product: Product) -> Swap:
    """Store the manifest in which the product of an import is current.

    Raises:
        StorageError: nothing has changed for anybody.
    """
    manifest = base.manifest
    if product.run is None:
        raise ValueError("the product of an import with rows has a run")
    entries = reader.load(run_part(product.run))
    hashes = np.stack([entries.table["high"], entries.table["low"]], axis=1)
    located = base.snapshot.locate(hashes) if base.snapshot else id_index.find([], hashes)
    (opened,) = base.closed
    meeting = meet(entries, located, opened=opened)
    outbox = Outbox(ports, base.dataset)
    placed = _placed(outbox, base, product, product.run, meeting.died)
    dead_base, increments = with_dead_rows(outbox, base, placed.died, gone=placed.gone)
    following = base.following(
        row_count=manifest.row_count + meeting.born,
        deltas=placed.deltas,
        cell_sets=(*manifest.cell_sets, *_given(product.cell_set)),
        runs=placed.runs,
        dead_base=dead_base,
        dead_increments=increments,
    )
    return send(outbox, reader, base, following)


@dataclass(frozen=True, slots=True)
class _Placed:
    """The deltas and runs with those of an import among them, the rows that die there, and the deltas gone."""

    deltas: tuple[ShardRef, ...]
    runs: tuple[RunRef, ...]
    died: DeadRows
    gone: frozenset[str] = frozenset()


def _placed(outbox: Outbox, base: Publication, product: Product, run: RunRef, died: DeadRows) -> _Placed:
    """As the import has stored them; but a shard that would be one delta too many is written anew with others."""
    manifest, snapshot, shard = base.manifest, base.snapshot, product.shard
    folded: list[tuple[ShardRef, Rows]] = []
    if shard is not None and len(manifest.deltas) >= MAX_DELTAS:
        folded = read_to_fold(snapshot, deltas_to_fold(base, shard.rows), died)
    if shard is None or snapshot is None or not folded:
        return _Placed((*manifest.deltas, *_given(shard)), placed_by_size(manifest.runs, run), died)
    brought = live_rows(snapshot, shard, died.get(shard.shard_id))
    taken = [rows for rows in (*(rows for _, rows in folded), brought) if len(rows)]
    gone = frozenset(one.shard_id for one, _ in folded)
    deltas = tuple(one for one in manifest.deltas if one.shard_id not in gone)
    left = {name: rows for name, rows in died.items() if name not in gone and name != shard.shard_id}
    if not taken:
        return _Placed(deltas, manifest.runs, left, gone)
    rows = concatenate(taken)
    merged = outbox.shard(rows)
    hashes = id_index.hash_ids(rows.ids, base.dataset.hash_key)
    numbers = np.arange(len(rows), dtype=np.int64)
    fresh = id_index.entries(hashes, rows.sequences, merged.shard_id, numbers)
    return _Placed((*deltas, merged), with_new_run(outbox, base, [fresh])[0], left, gone)


def placed_by_size(runs: tuple[RunRef, ...], new: RunRef) -> tuple[RunRef, ...]:
    """The runs with a new one before the first that is smaller: small ones are folded first, from the end.

    The order says nothing about age where sequences decide, and they do for every entry.
    """
    place = next((number for number, run in enumerate(runs) if run.entries < new.entries), len(runs))
    return (*runs[:place], new, *runs[place:])


def _given[T](item: T | None) -> tuple[T, ...]:
    return () if item is None else (item,)


def check_product(ports: Ports, reader: PartReader, dataset: Dataset, product: Product) -> None:
    """See that all that a product names is stored (invariant 7), and can be read.

    Raises:
        CorruptObject, ObjectMissing: it is not, and never will be.
    """
    if not product.rows:
        return
    if product.run is None or (product.shard is None) == (product.cell_set is None):
        raise CorruptObject("the product of an import must have a run, and either a shard or cells")
    tenant = TenantKeys(dataset.tenant_id)
    shards: tuple[ShardRef, ...] = _given(product.shard)
    if product.cell_set is not None:
        shards = reader.load(cell_set_part(dataset, product.cell_set)).shards
    reader.load(run_part(product.run))
    expected = {
        tenant.shard_file(shard.shard_id, name): file.size
        for shard in shards
        for name, file in shard.files.items()
    }
    check_there(ports, expected)
