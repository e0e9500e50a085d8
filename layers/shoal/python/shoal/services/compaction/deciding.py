"""What is due for a dataset at one version: its dead rows counted, and the policy asked."""

from shoal.model.datasets import Dataset
from shoal.model.limits import ONE_SHARD_BYTES
from shoal.model.merge_policy import Due, Nothing, could_be_due, due
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.snapshot import Snapshot, open_snapshot
from shoal.services.sweep import unlist
from shoal.services.wake import wake_builder
from shoal.storage.ports import Ports


def work_due(snapshot: Snapshot, *, thorough: bool = False, one_shard_bytes: int = ONE_SHARD_BYTES) -> Due:
    """What is to be done; cheap where nothing is. The arguments are those of `merge_policy.due`.

    Nothing is due for a dataset that follows another: its shards are those of its source, which is looked after,
    and its next version would bring them back.
    """
    manifest = snapshot.manifest
    if snapshot.dataset.follows:
        return Nothing()
    if not thorough and not could_be_due(manifest, one_shard_bytes=one_shard_bytes):
        return Nothing()
    return due(manifest, dead_counts(snapshot), thorough=thorough, one_shard_bytes=one_shard_bytes)


def dead_counts(snapshot: Snapshot) -> dict[str, int]:
    """How many rows are dead: of flat shards by their id, of cell sets by their key."""
    dead = snapshot.dead()
    counts = {shard.shard_id: len(dead.get(shard.shard_id, ())) for shard in snapshot.manifest.shards}
    for ref, cells in zip(snapshot.manifest.cell_sets, snapshot.cells(), strict=True):
        counts[ref.key] = sum(len(dead.get(shard.shard_id, ())) for shard in cells.cell_set.shards)
    return counts


def look_again(ports: Ports, dataset: Dataset, reader: PartReader) -> None:
    """Once something due is done: wake the builder where more is, else take the dataset off the sweep's list."""
    keys = keys_of(dataset)
    head = read_head(ports, keys)
    snapshot = open_snapshot(reader, dataset, head) if head is not None and head.live else None
    if snapshot is None:
        return
    if work_due(snapshot) != Nothing():
        wake_builder(ports, keys)
    else:
        unlist(ports, keys, watermark=snapshot.manifest.watermark)
