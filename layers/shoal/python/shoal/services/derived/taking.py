"""What becomes of a version of the source where a condition leaves rows out: the root of a derived dataset.

Shards, cells and the id index are those of the source; what the condition leaves out is among the dead rows. So
the root costs a few bytes for each shard, however many rows there are.
"""

import math

import numpy as np

from shoal.errors import CorruptObject
from shoal.index import dead_rows, shard_masks
from shoal.index.cell_probes import probes_for
from shoal.index.cell_recall import FILTER_ONE_IN
from shoal.index.shard_masks import ShardMasks
from shoal.model.datasets import Dataset
from shoal.model.derivations import Taken, strategy_for
from shoal.model.manifests import CellSetRef
from shoal.model.merge_policy import REBUILD_DEAD_SHARE
from shoal.services.cells import Cells
from shoal.services.outbox import Outbox
from shoal.services.rounds import Import
from shoal.services.snapshot import DeadRows, Snapshot
from shoal.services.swept import emptied, row_total
from shoal.storage.ports import Ports


def take(
    ports: Ports, snapshot: Snapshot, masks: ShardMasks | None, dataset: Dataset, *, version: int
) -> Taken:
    """Store the root of a derived dataset.

    Args:
        ports: where to put it.
        snapshot: the version of the source.
        masks: what the condition leaves out of each of its shards; None for nothing at all.
        dataset: the derived one.
        version: about which of its own it will be.

    Raises:
        CorruptObject: a shard was not looked at.
    """
    manifest, outbox = snapshot.manifest, Outbox(ports, dataset)
    dead, shards = snapshot.dead(), snapshot.all_shards()
    standing = {shard.shard_id for shard in shards}
    known = ShardMasks(frozenset(standing)) if masks is None else masks.of(standing)
    if known.shards != standing:
        raise CorruptObject(f"{len(standing - known.shards)} shards were not looked at")
    removed, by_term = known.counts(dead)
    left = manifest.row_count - removed
    following = manifest.model_copy(
        update={
            "dataset_id": dataset.dataset_id,
            "version": version,
            "row_count": left,
            "reserved_total": 0,
            "open_imports": (),
            "created_at": ports.clock(),
        }
    )
    gone = dead_rows.union(dead, known.removed)
    if not left:
        following = emptied(following)
    elif removed:
        pairs = zip(manifest.cell_sets, snapshot.cells(), strict=True)
        following = following.model_copy(
            update={
                "dead_base": outbox.dead(gone),
                "dead_increments": (),
                "masked": True,
                "cell_sets": tuple(with_probes(ref, cells, gone) for ref, cells in pairs),
            }
        )
    strategy = strategy_for(
        rows=sum(shard.rows for shard in shards) if left else 0,
        dead=row_total(gone) if removed else 0,
        row_bytes=dataset.dimension * 4,
        follows=dataset.follows,
    )
    stored = None if masks is None else outbox.part("masks", shard_masks.encode(known))
    root, sha256 = outbox.send(following)
    return Taken(
        root=root,
        root_sha256=sha256,
        watermark=manifest.watermark,
        row_count=left,
        rows_removed=removed,
        by_term=tuple(by_term.items()),
        strategy=strategy,
        masks=stored,
    )


def with_probes(ref: CellSetRef, cells: Cells, dead: DeadRows) -> CellSetRef:
    """Cells of which few rows are left, with as many probes as it takes to find the best of those.

    What was calibrated holds for all rows, or for one in a hundred; what is left of them is between that, or less.
    Cells without any row left are probed too, by a query without a filter, so that these are added.
    """
    item = Import(cells, cells.dead_numbers(dead), ref.recall)
    live = item.live_rows(np.arange(len(cells)))
    share, filled = float(live.sum()) / ref.rows, int(np.count_nonzero(live))
    if share >= 1 - REBUILD_DEAD_SHARE or not filled:
        return ref
    recall = ref.recall
    fewer = max(1.0, 1 / (FILTER_ONE_IN * share))
    probes = math.ceil(probes_for(recall, share) * fewer * len(cells) / filled)
    more = {
        "probes": min(len(cells), max(recall.probes, probes)),
        "filtered_probes": min(len(cells), math.ceil(recall.filtered_probes / share)),
    }
    if recall.sure_probes is not None:
        more["sure_probes"] = min(len(cells), max(recall.sure_probes, probes))
    return ref.model_copy(update={"recall": recall.model_copy(update=more)})
