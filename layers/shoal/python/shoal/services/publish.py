"""Turning a change into stored objects and the manifest that names them: everything before the swap.

Nothing here is visible to a reader; a publication that loses its swap leaves objects that nothing names.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index import dead_rows, id_index
from shoal.index.id_index import Entries, Located
from shoal.model.datasets import Dataset, Head
from shoal.model.limits import FOLD_MAX_BYTES, MAX_DEAD_INCREMENTS, MAX_DELTAS, MAX_DELTAS_HELD, MAX_RUNS
from shoal.model.manifests import Manifest, PartRef, RunRef, ShardRef
from shoal.model.merge_policy import fold_count
from shoal.model.records import Rows, concatenate
from shoal.services.changes import Change, rows_that_die
from shoal.services.heads import Swap
from shoal.services.outbox import Outbox
from shoal.services.parts import PartReader
from shoal.services.snapshot import Snapshot, manifest_part, run_part
from shoal.storage.ports import Ports

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


def publish(ports: Ports, reader: PartReader, base: Publication, change: Change) -> Swap:
    """Store what the change makes of the dataset.

    Args:
        ports: where to put it.
        reader: the cache, which then holds the new manifest and run.
        base: what is there now.
        change: what comes on top.

    Raises:
        StorageError: nothing has changed for anybody.
    """
    dataset, manifest, snapshot = base.dataset, base.manifest, base.snapshot
    outbox = Outbox(ports, dataset)
    upsert_hashes = _hashes(dataset, change.upserts.ids if change.upserts else ())
    delete_hashes = _hashes(dataset, change.deleted)
    replaced = _locate(snapshot, upsert_hashes)
    removed = _locate(snapshot, delete_hashes)
    died = dead_rows.union(rows_that_die(replaced), rows_that_die(removed))

    deltas = list(manifest.deltas)
    moved: list[Rows] = []
    if change.upserts is not None:
        for shard in deltas_to_fold(base, len(change.upserts)):
            if snapshot is None:
                raise AssertionError("a manifest with deltas has been opened")
            deltas.remove(shard)
            already_dead = snapshot.dead().get(shard.shard_id, BitMap())
            rows = live_rows(snapshot, shard, already_dead | died.pop(shard.shard_id, BitMap()))
            moved += [rows] if len(rows) else []

    fresh: list[Entries] = []
    if change.upserts is not None:
        rows = concatenate([*moved, change.upserts])
        shard = outbox.shard(rows)
        deltas.append(shard)
        numbers = np.arange(len(rows), dtype=np.int64)
        fresh.append(id_index.entries(_hashes(dataset, rows.ids), rows.sequences, shard.shard_id, numbers))
    # An open import may bring a row that is older than this delete: the tombstone keeps it out.
    needs_tombstone = removed.live | bool(manifest.open_imports)
    if needs_tombstone.any():
        sequences = change.deleted_sequences[needs_tombstone]
        fresh.append(id_index.tombstones(delete_hashes[needs_tombstone], sequences))
    runs, newest_run = with_new_run(outbox, base, fresh)

    left = {shard.shard_id for shard in deltas}
    folded = {shard.shard_id for shard in manifest.deltas} - left
    dead_base, increments = with_dead_rows(outbox, base, died, gone=folded)

    born = int((~replaced.live).sum())
    gone = int(removed.live.sum())
    following = base.following(
        row_count=manifest.row_count + born - gone,
        deltas=tuple(deltas),
        runs=runs,
        dead_base=dead_base,
        dead_increments=increments,
    )
    swap = send(outbox, reader, base, following)
    if newest_run is not None:
        reader.remember(run_part(runs[-1]), newest_run)
    return swap


def send(outbox: Outbox, reader: PartReader, base: Publication, following: Manifest) -> Swap:
    """Store all of the outbox and the manifest that names it, which the cache then holds; the swap to make."""
    key, sha256 = outbox.send(following)
    reader.remember(manifest_part(key, sha256), following)
    return Swap(
        manifest=following,
        manifest_key=key,
        manifest_sha256=sha256,
        log_bytes=base.log_bytes,
        delta_bytes=following.delta_bytes,
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


def _hashes(dataset: Dataset, ids: tuple[str, ...]) -> NDArray[np.uint64]:
    return id_index.hash_ids(ids, dataset.hash_key)


def _locate(snapshot: Snapshot | None, hashes: NDArray[np.uint64]) -> Located:
    return snapshot.locate(hashes) if snapshot else id_index.find([], hashes)


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
