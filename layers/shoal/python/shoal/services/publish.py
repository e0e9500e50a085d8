"""Turning a change into stored objects and the manifest that names them: everything before the swap.

Nothing here is visible to a reader; a publication that loses its swap leaves objects that nothing names.
"""

import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.errors import CorruptObject
from shoal.index import dead_rows, id_index
from shoal.index.id_index import Entries
from shoal.model.datasets import Dataset, Head
from shoal.model.limits import FOLD_MAX_BYTES, MAX_DEAD_INCREMENTS, MAX_DELTAS, MAX_DELTAS_HELD, MAX_RUNS
from shoal.model.manifests import Manifest, PartRef, RunRef, ShardRef
from shoal.model.merge_policy import fold_count
from shoal.model.records import Rows, concatenate
from shoal.services.apply import Applied
from shoal.services.changes import rows_that_die
from shoal.services.heads import Swap
from shoal.services.outbox import Outbox
from shoal.services.parts import PartReader
from shoal.services.snapshot import Snapshot, manifest_part, run_part
from shoal.services.swept import emptied, nothing_left, row_total, tombstones_of
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)
_ROW_OVERHEAD_BYTES = 128


@dataclass(frozen=True, slots=True)
class Publication:
    """What a change is applied to, and what the new HEAD shall say beside it.

    `manifest` names the imports that this commit opens among its open ones: what is deleted beside them needs
    tombstones already. `closed` are the first sequences of the imports that it ends.
    """

    dataset: Dataset
    head: Head
    manifest: Manifest
    snapshot: Snapshot | None
    watermark: int
    reserved: int
    log_bytes: int
    error_message: str | None
    now: float
    closed: frozenset[int] = frozenset()

    @property
    def still_open(self) -> tuple[int, ...]:
        """The imports that are open after this commit."""
        return tuple(sequence for sequence in self.manifest.open_imports if sequence not in self.closed)

    def following(self, **changes: object) -> Manifest:
        """The next manifest: these fields changed, and those that every commit moves on."""
        return self.manifest.model_copy(
            update={
                **changes,
                "version": self.head.version + 1,
                "watermark": self.watermark,
                "reserved_total": self.manifest.reserved_total + self.reserved,
                "open_imports": self.still_open,
                "created_at": self.now,
            }
        )


def live_rows(snapshot: Snapshot, shard: ShardRef, dead: BitMap | None) -> Rows:
    """The rows of a shard without its dead ones."""
    rows = snapshot.rows_of(shard)
    return rows.take(live_positions(shard.rows, dead)) if dead else rows


def live_positions(rows: int, dead: BitMap | None) -> NDArray[np.intp]:
    """The numbers of the rows that are not dead, ascending: intp, shape (live,)."""
    alive = np.ones(rows, dtype=np.bool_)
    if dead:
        alive[np.array(dead, dtype=np.int64)] = False
    return np.flatnonzero(alive)


def publish(ports: Ports, reader: PartReader, base: Publication, applied: Applied) -> Swap:
    """Store what writes make of the dataset.

    Args:
        ports: where to put it.
        reader: the cache, which then holds the new manifest and run.
        base: what is there now.
        applied: what comes on top.

    Raises:
        StorageError: nothing has changed for anybody.
    """
    manifest, snapshot, change = base.manifest, base.snapshot, applied.change
    outbox = Outbox(ports, base.dataset)
    died = dead_rows.union(rows_that_die(applied.replaced), rows_that_die(applied.removed))
    for swept in applied.swept:
        died = dead_rows.union(died, swept.rows)
    # Every row that dies was the live row of one id, and every upsert leaves one live row.
    row_count = manifest.row_count - row_total(died) + (len(change.upserts) if change.upserts else 0)
    if snapshot is not None and not manifest.open_imports and nothing_left(snapshot, died):
        base, died, snapshot = replace(base, manifest=emptied(manifest)), {}, None
        manifest = base.manifest

    deltas = list(manifest.deltas)
    fresh: list[Entries] = []
    if change.upserts is not None:
        moved: list[Rows] = []
        for shard, rows in read_to_fold(snapshot, deltas_to_fold(base, len(change.upserts)), died):
            deltas.remove(shard)
            died.pop(shard.shard_id, None)
            moved += [rows] if len(rows) else []
        rows = concatenate([*moved, change.upserts])
        shard = outbox.shard(rows)
        deltas.append(shard)
        numbers = np.arange(len(rows), dtype=np.int64)
        hashes = id_index.hash_ids(rows.ids, base.dataset.hash_key) if moved else applied.hashes
        fresh.append(id_index.entries(hashes, rows.sequences, shard.shard_id, numbers))
    if snapshot is not None:
        fresh += _tombstones(snapshot, manifest, applied)
    elif manifest.open_imports:
        fresh.append(id_index.tombstones(applied.deleted_hashes, change.deleted_sequences))
    runs, newest_run = with_new_run(outbox, base, fresh)

    left = {shard.shard_id for shard in deltas}
    folded = {shard.shard_id for shard in manifest.deltas} - left
    dead_base, increments = with_dead_rows(outbox, base, died, gone=folded)
    following = base.following(
        row_count=row_count,
        deltas=tuple(deltas),
        runs=runs,
        dead_base=dead_base,
        dead_increments=increments,
    )
    swap = send(outbox, reader, base, following)
    if newest_run is not None:
        reader.remember(run_part(runs[-1]), newest_run)
    return swap


def _tombstones(snapshot: Snapshot, manifest: Manifest, applied: Applied) -> list[Entries]:
    """What says that ids are deleted. It also keeps out the rows of an open import, which are older than that."""
    needed = applied.removed.live | bool(manifest.open_imports)
    found: list[Entries] = []
    if needed.any():
        sequences = applied.change.deleted_sequences[needed]
        found.append(id_index.tombstones(applied.deleted_hashes[needed], sequences))
    return [*found, *tombstones_of(snapshot, applied.swept)] if applied.swept else found


def send(outbox: Outbox, reader: PartReader, base: Publication, following: Manifest) -> Swap:
    """Store all of the outbox and the manifest that names it, which the cache then holds; the swap to make."""
    key, sha256 = outbox.send(following)
    reader.remember(manifest_part(key, sha256), following)
    return Swap(
        manifest=following,
        manifest_key=key,
        manifest_sha256=sha256,
        log_bytes=base.log_bytes,
        error_message=base.error_message,
    )


def with_dead_rows(
    outbox: Outbox, base: Publication, died: Mapping[str, BitMap], *, gone: AbstractSet[str] = frozenset()
) -> tuple[PartRef | None, tuple[PartRef, ...]]:
    """Base and increments of the dead rows with those that have just died; `gone` shards are no more."""
    dead_base, increments = base.manifest.dead_base, base.manifest.dead_increments
    if not died:
        return dead_base, increments
    if len(increments) < MAX_DEAD_INCREMENTS:
        return dead_base, (*increments, outbox.dead(died))
    if base.snapshot is None:
        raise AssertionError("a manifest with dead rows has been opened")
    gathered = dead_rows.union(base.snapshot.dead(), died)
    return outbox.dead({name: rows for name, rows in gathered.items() if name not in gone}), ()


def deltas_to_fold(base: Publication, rows: int) -> list[ShardRef]:
    """The youngest deltas that a new one of so many rows takes along; none that a running build reads, unless
    there are too many in all.
    """
    held: set[str] = set()
    if base.head.build_until > base.now and len(base.manifest.deltas) < MAX_DELTAS_HELD:
        held = set(base.head.build_inputs)
    free: list[ShardRef] = []
    for shard in reversed(base.manifest.deltas):
        if shard.shard_id in held:
            break
        free.insert(0, shard)
    row_bytes = base.dataset.dimension * 4 + _ROW_OVERHEAD_BYTES
    sizes = [shard.rows * row_bytes for shard in free]
    count = fold_count(sizes, rows * row_bytes, most=MAX_DELTAS, largest=FOLD_MAX_BYTES)
    return free[len(free) - count :]


def read_to_fold(
    snapshot: Snapshot | None, shards: Sequence[ShardRef], died: Mapping[str, BitMap]
) -> list[tuple[ShardRef, Rows]]:
    """Shards that are going to be written anew with others, and their rows that are alive once these have died.

    One that is damaged is left where it is: its rows are lost, but no write depends on them, nor does a restore
    that waits behind this one and brings them back.
    """
    if not shards:
        return []
    if snapshot is None:
        raise AssertionError("a manifest with deltas has been opened")
    dead = dead_rows.union(snapshot.dead(), died)
    found: list[tuple[ShardRef, Rows]] = []
    for shard in shards:
        try:
            found.append((shard, live_rows(snapshot, shard, dead.get(shard.shard_id))))
        except CorruptObject as damaged:
            _log.error("a damaged delta was not folded", extra={"reason": str(damaged)})
    return found


def with_new_run(
    outbox: Outbox, base: Publication, fresh: list[Entries]
) -> tuple[tuple[RunRef, ...], Entries | None]:
    """The runs of the new manifest and the newest of them, where there is a new one."""
    runs = base.manifest.runs
    count = sum(len(entries.table) for entries in fresh)
    if not count:
        return runs, None
    # Each import brings a run that is as large as it is: there is room for these beside the small ones.
    most = MAX_RUNS + len(base.manifest.cell_sets)
    folded = fold_count([run.entries for run in runs], count, most=most)
    everything = folded == len(runs)
    bound = base.manifest.tombstone_horizon
    drop_up_to = (base.watermark if bound is None else bound) if everything else None
    kept, taken = runs[: len(runs) - folded], runs[len(runs) - folded :]
    older = base.snapshot.entries_newest_first(taken) if base.snapshot else []
    merged = id_index.combine([*fresh, *older], drop_tombstones_up_to=drop_up_to)
    if not len(merged.table):
        return kept, None
    return (*kept, outbox.run(merged)), merged
