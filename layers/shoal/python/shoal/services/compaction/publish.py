"""Making a compaction current: which of its rows are still alive, and the manifest that names it.

The index decides, and nothing else. A row of the product is alive where the index, as it is now, has the row's id
with the row's own sequence in one of the shards that were compacted: then nothing has touched the id since. All
others have died meanwhile, by a newer row or a delete; also by a delete of which nothing is left, because its
tombstone has been dropped since.
"""

import logging
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import CorruptObject, RunStopped
from shoal.index import id_index
from shoal.index.id_index import Entries
from shoal.model.compactions import Compaction
from shoal.model.datasets import Head
from shoal.model.import_work import Product
from shoal.model.manifests import Manifest, RunRef, ShardRef
from shoal.services.heads import Swap
from shoal.services.outbox import Outbox
from shoal.services.publish_import import placed_by_size
from shoal.services.snapshot import DeadRows, Snapshot, run_part
from shoal.services.swept import unmasked
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)
_AT_ONCE = 1_000_000
"""Ids that are looked for at once: it takes 150 bytes each, beside the 200 that each of all the ids takes here."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a compaction read, as it is named now: flat shards, keys of cell sets, and the ids of all shards."""

    flat: AbstractSet[str]
    cell_sets: AbstractSet[str]
    shard_ids: AbstractSet[str]


def inputs_of(snapshot: Snapshot, job: Compaction, began_with: Manifest) -> Inputs:
    """The inputs of a compaction that began with a version, if they are all there still.

    Raises:
        RunStopped: one is gone.
    """
    manifest = snapshot.manifest
    flat = {shard.shard_id for shard in began_with.shards}
    keys = set(job.cell_sets)
    standing = {shard.shard_id for shard in manifest.shards}
    if not flat <= standing or not keys <= {ref.key for ref in manifest.cell_sets}:
        raise RunStopped("an input of the compaction is gone")
    of_cells = {
        shard.shard_id
        for ref, cells in zip(manifest.cell_sets, snapshot.cells(), strict=True)
        if ref.key in keys
        for shard in cells.cell_set.shards
    }
    return Inputs(flat, keys, flat | of_cells)


def publish_compaction(
    ports: Ports, snapshot: Snapshot, head: Head, job: Compaction, product: Product, inputs: Inputs
) -> Swap:
    """Store the manifest in which the product of a compaction is current.

    Raises:
        CorruptObject: the index has rows of the inputs that the product has not.
        StorageError: nothing has changed for anybody.
    """
    manifest = snapshot.manifest
    outbox = Outbox(ports, snapshot.dataset)
    alive, died = _meet(snapshot, product, inputs)
    runs, indexed = _merged_runs(outbox, snapshot, inputs, alive)
    visible = len(alive) > 0
    deltas = tuple(shard for shard in manifest.deltas if shard.shard_id not in inputs.flat)
    cell_sets = tuple(ref for ref in manifest.cell_sets if ref.key not in inputs.cell_sets)
    if visible and product.cell_set is not None:
        cell_sets = (*cell_sets, product.cell_set)
    dead = {name: rows for name, rows in snapshot.dead().items() if name not in inputs.shard_ids}
    if visible:
        dead |= died
    following = manifest.model_copy(
        update={
            "version": head.version + 1,
            "resident": product.shard if visible else None,
            "deltas": deltas,
            "cell_sets": cell_sets,
            "runs": runs,
            "dead_base": outbox.dead(dead) if dead else None,
            "dead_increments": (),
            "recall": product.recall if visible else None,
            "created_at": ports.clock(),
            "compacted_at": ports.clock(),
            "masked": manifest.masked and indexed is None,
        }
    )
    following = following.model_copy(update={"row_count": _audited(snapshot, following, dead, indexed)})
    key, sha256 = outbox.send(following)
    return Swap(
        manifest=following,
        manifest_key=key,
        manifest_sha256=sha256,
        log_bytes=head.log_bytes,
        error_message=head.error_message,
        ends_build=True,
        compacted_by=job.run_id,
    )


def _meet(snapshot: Snapshot, product: Product, inputs: Inputs) -> tuple[Entries, DeadRows]:
    """The entries of the product's rows that are alive now, and its rows that are not, by shard."""
    if product.run is None:
        return Entries((), np.empty(0, dtype=id_index.ENTRY)), {}
    entries = snapshot.reader.load(run_part(product.run))
    located = snapshot.locate(_hashes(entries.table))
    alive = _in_inputs(located.shard, located.shard_ids, inputs)
    alive &= located.sequence == entries.table["sequence"]
    died: DeadRows = {}
    for number, shard_id in enumerate(entries.shard_ids):
        rows = entries.table["row"][~alive & (entries.table["shard"] == number)]
        if len(rows):
            died[shard_id] = BitMap(rows.astype(np.uint32))
    return Entries(entries.shard_ids, entries.table[alive]), died


def _merged_runs(
    outbox: Outbox, snapshot: Snapshot, inputs: Inputs, alive: Entries
) -> tuple[tuple[RunRef, ...], int | None]:
    """The runs of the id index with the product's rows where they are from now on, and the number of live ids.

    Runs that name nothing but shards of cells that stay are left as they are. All others become one. The live ids
    can only be counted, and tombstones only be dropped, where no run is left out.
    """
    manifest = snapshot.manifest
    stay = {shard.shard_id for shard in _shards_of_cells(snapshot)} - inputs.shard_ids
    named = [(run, snapshot.shards_of_run(run)) for run in manifest.runs]
    touched = [run for run, shard_ids in named if not shard_ids or not shard_ids <= stay]
    drop_up_to = None
    if len(touched) == len(manifest.runs):
        horizon = manifest.tombstone_horizon
        drop_up_to = manifest.watermark if horizon is None else horizon
    merged = id_index.combine(snapshot.entries_newest_first(touched), drop_tombstones_up_to=None)
    of_inputs = _in_inputs(merged.table["shard"], merged.shard_ids, inputs)
    of_inputs &= merged.table["row"] != id_index.TOMBSTONE
    _check_none_lost(snapshot, inputs, alive, merged.table, np.flatnonzero(of_inputs))
    others = Entries(merged.shard_ids, merged.table[~of_inputs])
    if manifest.masked and len(touched) == len(manifest.runs):
        others = unmasked(snapshot, others)
    # What is alive was in the inputs with the highest sequence of its id, so `others` has nothing newer of it.
    joined = id_index.combine([alive, others], drop_tombstones_up_to=drop_up_to)
    left = tuple(run for run in manifest.runs if run not in touched)
    runs = placed_by_size(left, outbox.run(joined)) if len(joined) else left
    counted = None if left else int((joined.table["row"] != id_index.TOMBSTONE).sum())
    return runs, counted


def _check_none_lost(
    snapshot: Snapshot, inputs: Inputs, alive: Entries, table: NDArray[np.void], of_inputs: NDArray[np.intp]
) -> None:
    """See that what the index still has in the inputs is in the product: nothing that is alive may be dropped.

    `of_inputs` are the places in `table` of what it has there.
    """
    for start in range(0, len(of_inputs), _AT_ONCE):
        hashes = _hashes(table[of_inputs[start : start + _AT_ONCE]])
        rest = hashes[~id_index.find([alive], hashes).found]
        if not len(rest):
            continue
        located = snapshot.locate(rest)
        lost = int(_in_inputs(located.shard, located.shard_ids, inputs).sum())
        if lost:
            raise CorruptObject(f"the compaction has not {lost} of the rows that it compacted")


def _audited(snapshot: Snapshot, following: Manifest, dead: DeadRows, indexed: int | None) -> int:
    """The number of live rows, counted anew: all rows less the dead ones, and by the index where it is whole.

    Invariant 5: the count that commits have kept is the same.
    """
    rows = following.flat_rows + sum(ref.rows for ref in following.cell_sets)
    counted = rows - sum(map(len, dead.values()))
    kept = snapshot.manifest.row_count
    found = counted if indexed is None else indexed
    if counted != kept or found != kept:
        _log.error(
            "row count was wrong",
            extra={
                "dataset_id": snapshot.dataset.dataset_id,
                "counted": counted,
                "indexed": indexed,
                "kept": kept,
            },
        )
    return found


def _shards_of_cells(snapshot: Snapshot) -> list[ShardRef]:
    return [shard for cells in snapshot.cells() for shard in cells.cell_set.shards]


def _in_inputs(numbers: NDArray[np.integer], shard_ids: tuple[str, ...], inputs: Inputs) -> NDArray[np.bool_]:
    """Which of some places, given by the number of their shard (-1 or a tombstone's: none), lie in the inputs."""
    among = np.array([*(name in inputs.shard_ids for name in shard_ids), False])
    known = (numbers >= 0) & (numbers < len(shard_ids))
    found: NDArray[np.bool_] = among[np.where(known, numbers, len(shard_ids)).astype(np.int64)]
    return found


def _hashes(table: NDArray[np.void]) -> NDArray[np.uint64]:
    return np.stack([table["high"], table["low"]], axis=1).astype(np.uint64, copy=False)
