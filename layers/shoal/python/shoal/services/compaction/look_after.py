"""Doing what is due for a dataset: nothing, a build here and now, or a compaction, which is only started."""

from shoal.model.datasets import Dataset
from shoal.model.limits import ONE_SHARD_BYTES
from shoal.model.merge_policy import Build, Compact, Due, Nothing
from shoal.services.build import build_resident
from shoal.services.compaction.deciding import work_due
from shoal.services.compaction.starting import start
from shoal.services.heads import keys_of, parse_meta, read_head
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from shoal.services.sweep import unlist
from shoal.services.wake import ask_to_compact
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

_CACHE_BYTES = 256 * 1000 * 1000
_LATER_SECONDS = 60
_TRIES = 20
"""Writes that never stop move HEAD on four times a second; to read what is new of it takes less."""


def look_after(
    ports: Ports,
    tenant_id: str,
    dataset_id: str,
    *,
    owner: str,
    thorough: bool = False,
    one_shard_bytes: int = ONE_SHARD_BYTES,
) -> Due:
    """Find out what is due and see to it; what it was.

    Safe to call at any time and from any number of processes: one builds or compacts, the others return, and who
    does looks again at the end. Only who asks for a `thorough` compaction meanwhile is put off.

    Args:
        ports: where the dataset is.
        tenant_id: the dataset's tenant.
        dataset_id: the dataset.
        owner: a name for the log lines.
        thorough: as for `merge_policy.due`.
        one_shard_bytes: as for `merge_policy.due`.

    Raises:
        StorageError: storage failed; nothing has changed.
    """
    keys = DatasetKeys(tenant_id, dataset_id)
    meta = ports.table.get(keys.meta)
    head = read_head(ports, keys)
    if meta is None or head is None or not head.live:
        return Nothing()
    if head.build_owner and head.build_until > ports.clock():
        if thorough:
            ask_to_compact(ports, keys, delay_seconds=_LATER_SECONDS)
        return Nothing()
    reader = PartReader(ports.objects, cache_bytes=_CACHE_BYTES)
    snapshot = open_snapshot(reader, parse_meta(meta), head)
    if snapshot is None:
        return Nothing()
    what = work_due(snapshot, thorough=thorough, one_shard_bytes=one_shard_bytes)
    match what:
        case Nothing():
            unlist(ports, keys, watermark=snapshot.manifest.watermark)
        case Build(afresh=afresh):
            build_resident(ports, tenant_id, dataset_id, owner=owner, even_if_small=thorough, afresh=afresh)
        case Compact():
            started = _start(ports, reader, snapshot.dataset, what)
            if not started and thorough:
                ask_to_compact(ports, keys, delay_seconds=_LATER_SECONDS)
    return what


def _start(ports: Ports, reader: PartReader, dataset: Dataset, what: Compact) -> bool:
    """Whether a compaction of these cell sets was started: of the version of now, where HEAD has moved on."""
    keys = keys_of(dataset)
    for _ in range(_TRIES):
        head = read_head(ports, keys)
        snapshot = open_snapshot(reader, dataset, head) if head is not None and head.live else None
        if head is None or snapshot is None or (head.build_owner and head.build_until > ports.clock()):
            return False
        if not set(what.cell_sets) <= {ref.key for ref in snapshot.manifest.cell_sets}:
            return False
        if start(ports, snapshot, head, what) is not None:
            return True
    return False
