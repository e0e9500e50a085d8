"""Building the resident shard: all live rows of a dataset in one hnswlib graph.

The long part works on one version and holds no commit lease: writes go on meanwhile, and only the shards that
the build reads are kept from being folded. Then, under the lease, what happened in between is carried over: rows
that died, and deltas that came. A build takes no sequence and changes no record (invariant 6).
"""

import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from shoal.index import id_index
from shoal.index.graph import Graph, NeedsRebuild
from shoal.model.datasets import Dataset
from shoal.model.ids import new_token
from shoal.model.manifests import Recall, RunRef, ShardRef
from shoal.model.merge_policy import Build, Nothing, must_rebuild
from shoal.model.records import Rows, concatenate
from shoal.services.compaction.deciding import look_again, work_due
from shoal.services.descriptors import describe_dataset
from shoal.services.heads import Swap, parse_head, parse_meta, read_head, swap_head
from shoal.services.leases import Lease, acquire, acquire_build, ask_for, kept, release, release_build
from shoal.services.outbox import Outbox
from shoal.services.parts import PartReader
from shoal.services.publish import live_positions
from shoal.services.publish_import import placed_by_size
from shoal.services.resident import resident_shard
from shoal.services.snapshot import DeadRows, Snapshot, open_snapshot
from shoal.services.sweep import unlist
from shoal.services.swept import unmasked
from shoal.services.wake import wake_indexer
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)
_LEASE_PATIENCE_SECONDS = 60.0
_LEASE_POLL_SECONDS = 0.05
_ASK_AHEAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Product:
    """The new shard, and where each row of its inputs went (int64, shape (rows of the input,), -1 = left out).

    There is no shard where no row of the inputs was live.
    """

    row_maps: dict[str, NDArray[np.int64]]
    shard: ShardRef | None = None
    recall: Recall | None = None

    @property
    def shard_id(self) -> str:
        """The new shard's id."""
        return self.shard.shard_id if self.shard else ""


def build_resident(
    ports: Ports,
    tenant_id: str,
    dataset_id: str,
    *,
    owner: str,
    reader: PartReader | None = None,
    even_if_small: bool = False,
    afresh: bool = False,
) -> bool:
    """Build the resident shard anew if the deltas have outgrown what queries may scan, or too many of its rows are
    dead; whether it did.

    With `even_if_small` it is built whatever the deltas hold, so long as there is something in them; with `afresh`
    so long as there are flat rows at all, and none of them stays dead.

    Safe to call at any time and from any number of processes: one builds, the others return.

    Raises:
        StorageError: storage failed; nothing has changed.
    """
    keys = DatasetKeys(tenant_id, dataset_id)
    meta = ports.table.get(keys.meta)
    head = read_head(ports, keys)
    if meta is None or head is None or not head.live:
        return False
    dataset = parse_meta(meta)
    cache = reader or PartReader(ports.objects, cache_bytes=1)
    snapshot = open_snapshot(cache, dataset, head)
    if snapshot is None:
        return False
    manifest = snapshot.manifest
    wanted = manifest.shards if afresh else manifest.deltas if even_if_small else ()
    if not wanted:
        what = work_due(snapshot)
        if what == Nothing():
            unlist(ports, keys, watermark=manifest.watermark)
        if not isinstance(what, Build):
            return False
    inputs = tuple(shard.shard_id for shard in manifest.shards)
    builder = f"{owner}-{new_token()}"
    if acquire_build(ports, keys, owner=builder, read=head, inputs=inputs) is None:
        return False
    try:
        outbox = Outbox(ports, dataset)
        product = _build(snapshot, snapshot.dead(), outbox, now=ports.clock(), afresh=afresh)
        outbox.flush()
        built = _swap_in(ports, cache, dataset, keys, builder=builder, product=product)
    finally:
        release_build(ports, keys, owner=builder)
    if built:
        describe_dataset(ports, keys)
        look_again(ports, dataset, cache)  # what was written while this was built may be too much already
    return built


def _build(snapshot: Snapshot, dead: DeadRows, outbox: Outbox, *, now: float, afresh: bool) -> _Product:
    """The shard of all live rows."""
    dataset, manifest = snapshot.dataset, snapshot.manifest
    row_maps: dict[str, NDArray[np.int64]] = {}
    blocks: list[Rows] = []
    next_row = 0

    def take(shard: ShardRef, *, with_dead: bool) -> Rows | None:
        nonlocal next_row
        positions = live_positions(shard.rows, None if with_dead else dead.get(shard.shard_id))
        row_map = np.full(shard.rows, -1, dtype=np.int64)
        row_map[positions] = np.arange(next_row, next_row + len(positions))
        row_maps[shard.shard_id] = row_map
        next_row += len(positions)
        if not len(positions):
            return None
        rows = snapshot.rows_of(shard)
        return rows if len(positions) == shard.rows else rows.take(positions)

    extended = False
    if manifest.resident is not None:
        hollow = len(dead.get(manifest.resident.shard_id, ()))
        extended = not afresh and not must_rebuild(rows=manifest.resident.rows, dead=hollow)
        kept = take(manifest.resident, with_dead=extended)
        blocks += [kept] if kept is not None else []
    added = [rows for rows in (take(shard, with_dead=False) for shard in manifest.deltas) if rows is not None]
    if not blocks and not added:
        return _Product(row_maps)
    rows = concatenate([*blocks, *added])
    graph = None
    if extended and manifest.resident is not None:
        graph = _extended(snapshot, manifest.resident, added)
    shard, recall = resident_shard(outbox, dataset, rows, now=now, graph=graph)
    return _Product(row_maps, shard, recall)


def _extended(snapshot: Snapshot, resident: ShardRef, added: list[Rows]) -> Graph | None:
    """The graph that is there with the new rows added behind its own; None where it can't take them."""
    graph = snapshot.reader.load_apart(snapshot.graph_part(resident))
    try:
        for rows in added:
            graph.extend(rows.vectors)
    except NeedsRebuild:
        return None
    return graph


def _swap_in(
    ports: Ports,
    reader: PartReader,
    dataset: Dataset,
    keys: DatasetKeys,
    *,
    builder: str,
    product: _Product,
) -> bool:
    """Hold the lease until the product is current, carrying over what happened while it was built."""
    give_up_at = time.monotonic() + _LEASE_PATIENCE_SECONDS
    asked_until = 0.0
    while time.monotonic() < give_up_at:
        lease = acquire(ports, keys, owner=new_token(), for_build=True)
        if lease is None:
            current = read_head(ports, keys)
            if current is None or not current.live:
                return False
            if ports.clock() > asked_until - _ASK_AHEAD_SECONDS:
                asked_until = ask_for(ports, keys)
            time.sleep(_LEASE_POLL_SECONDS)
            continue
        try:
            with kept(ports, keys, lease):
                done = _catch_up(ports, reader, dataset, keys, lease, builder, product)
        finally:
            release(ports, keys, lease)
            # Whoever found the lease taken has left their write to us.
            wake_indexer(ports, keys)
        if done is not None:
            return done
    _log.warning("no lease for the build", extra={"dataset_id": keys.dataset_id})
    return False


def _catch_up(
    ports: Ports,
    reader: PartReader,
    dataset: Dataset,
    keys: DatasetKeys,
    lease: Lease,
    builder: str,
    product: _Product,
) -> bool | None:
    """Whether the product was swapped in; None when the swap was lost and another try may succeed."""
    item = ports.table.get(keys.head)
    head = parse_head(item) if item else None
    snapshot = open_snapshot(reader, dataset, head) if head is not None and head.live else None
    if snapshot is None or head is None:
        return False
    if head.build_owner != builder:
        # A restore ends builds: shards of the same ids may be back with rows alive that this one has left out.
        _log.info("the build lease is gone", extra={"dataset_id": keys.dataset_id})
        return False
    manifest = snapshot.manifest
    row_maps = product.row_maps
    standing = {shard.shard_id for shard in manifest.shards}
    if not row_maps.keys() <= standing:
        _log.info("an input of the build is gone", extra={"dataset_id": keys.dataset_id})
        return False
    dead_now = snapshot.dead()
    survivors = tuple(shard for shard in manifest.deltas if shard.shard_id not in row_maps)
    outbox = Outbox(ports, dataset)
    dead = {shard_id: rows for shard_id, rows in dead_now.items() if shard_id not in row_maps}
    in_product = _carried_over(product, dead_now)
    if in_product:
        dead[product.shard_id] = in_product
    runs, counted = _merged_runs(outbox, snapshot, product)
    row_count = manifest.row_count if counted is None else counted
    if row_count != manifest.row_count:
        _log.error(
            "row count was wrong",
            extra={"dataset_id": keys.dataset_id, "counted": row_count, "kept": manifest.row_count},
        )
    following = manifest.model_copy(
        update={
            "version": head.version + 1,
            "row_count": row_count,
            "masked": manifest.masked and counted is None,
            "resident": product.shard,
            "deltas": survivors,
            "runs": runs,
            "dead_base": outbox.dead(dead) if dead else None,
            "dead_increments": (),
            "recall": product.recall,
            "created_at": ports.clock(),
        }
    )
    key, sha256 = outbox.send(following)
    swap = Swap(
        manifest=following,
        manifest_key=key,
        manifest_sha256=sha256,
        log_bytes=head.log_bytes,
        error_message=head.error_message,
        ends_build=True,
    )
    if not swap_head(ports, keys, read=head, fence=lease.fence, swap=swap):
        return None
    _log.info(
        "built the resident shard",
        extra={
            "dataset_id": keys.dataset_id,
            "version": following.version,
            "rows": product.shard.rows if product.shard else 0,
            "recall": product.recall.measured if product.recall else None,
        },
    )
    return True


def _carried_over(product: _Product, dead_now: DeadRows) -> BitMap:
    """The rows of the product that are dead: those that died while it was built, and those it took along dead.

    Rows that were dead before and were left out have no place in the row maps.
    """
    gathered = BitMap()
    for shard_id, row_map in product.row_maps.items():
        now = dead_now.get(shard_id, BitMap())
        rows = row_map[np.array(now, dtype=np.int64)] if now else np.empty(0, dtype=np.int64)
        gathered |= BitMap(rows[rows >= 0].astype(np.uint32))
    return gathered


def _merged_runs(
    outbox: Outbox, snapshot: Snapshot, product: _Product
) -> tuple[tuple[RunRef, ...], int | None]:
    """The runs of the id index with the product's rows where they are from now on, and the number of live ids.

    Runs that name shards of cells only stay as they are: those of large imports must not be written anew for each
    build. All others are merged, also one that names only deltas that were folded since: its entries are as new
    as those of the rows that moved, so it must not come to lie behind them. The live ids can only be counted where
    all runs are merged.
    """
    manifest = snapshot.manifest
    touched = list(manifest.runs)
    if manifest.cell_sets:
        flat = {shard.shard_id for shard in manifest.shards}
        of_cells = {shard.shard_id for shard in snapshot.all_shards()} - flat
        named = [(run, snapshot.shards_of_run(run)) for run in manifest.runs]
        touched = [run for run, shard_ids in named if not shard_ids or not shard_ids <= of_cells]
    all_touched = len(touched) == len(manifest.runs)
    drop_up_to = None
    if all_touched:
        horizon = manifest.tombstone_horizon
        drop_up_to = manifest.watermark if horizon is None else horizon
    merged = id_index.combine(snapshot.entries_newest_first(touched), drop_tombstones_up_to=drop_up_to)
    if all_touched and manifest.masked:
        merged = unmasked(snapshot, merged)
    moves = {shard_id: (product.shard_id, rows) for shard_id, rows in product.row_maps.items()}
    merged = id_index.remap(merged, moves)
    runs = tuple(run for run in manifest.runs if run not in touched)
    if len(merged.table):
        runs = placed_by_size(runs, outbox.run(merged))
    live_ids = int((merged.table["row"] != id_index.TOMBSTONE).sum()) if all_touched else None
    return runs, live_ids
