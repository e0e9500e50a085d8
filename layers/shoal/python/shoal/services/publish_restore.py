"""Making a version of before current again: what its restore in the log names, read, checked and turned into the
next version.

The records are those of the named version: shards, cells, dead rows and the id index as they were. Everything that
belongs to the log and not to the records goes on from where it is: version, watermark, reservations, open imports.
All that was written since has older sequences than what comes from now on, and so has all that comes back.
"""

import logging
from dataclasses import replace

from shoal.errors import CorruptObject, ObjectMissing
from shoal.index.checksums import verify
from shoal.index.log_restore import decode_restore
from shoal.model.jobs import Job
from shoal.model.manifests import Manifest
from shoal.services.heads import Swap
from shoal.services.log_data import LogData, fail
from shoal.services.outbox import Outbox
from shoal.services.parts import PartReader
from shoal.services.publish import Publication, send
from shoal.services.retry import retry_busy
from shoal.services.roots import check_there, named_by
from shoal.services.snapshot import Snapshot, manifest_part
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)


def read_restored(log: LogData, job: Job, *, current: Manifest) -> tuple[Manifest | None, str | None]:
    """The version that a restore names, with all that it needs; nothing, and why, where the restore fails.

    The reasons are the same whoever looks: `current` is what all places before this one have come to, and what a
    waiting restore names is kept for it.

    Args:
        log: the log that the restore is in.
        job: its place.
        current: the version that it is applied to.

    Raises:
        StorageBusy: nobody knows yet.
    """
    if job.error is not None:
        return None, f"restore {job.job_id} failed: {job.error}"
    reason = ""
    for _ in range(2):
        if current.open_imports:
            reason = "an import was under way; wait for it to end or cancel it, then restore again"
            break
        try:
            return _named_version(log, job, current), None
        except (CorruptObject, ObjectMissing) as error:
            _log.warning("restore finds damage", extra={"job_id": job.job_id, "reason": str(error)})
            reason = f"the snapshot is damaged, nothing has changed: {error}"
    fail(log, job, reason)
    return None, f"restore {job.job_id} failed: {reason}"


def _named_version(log: LogData, job: Job, current: Manifest) -> Manifest:
    log_key, sha256 = job.log_key or "", job.sha256 or ""
    data = retry_busy(lambda: log.ports.objects.get(log_key))
    verify(data, sha256=sha256, size=job.size, name=log_key)
    restore = decode_restore(data)
    manifest = log.reader.load(manifest_part(restore.manifest, restore.manifest_sha256))
    geometry = (manifest.dimension, manifest.metric)
    if geometry != (log.dataset.dimension, log.dataset.metric) or manifest.watermark >= job.sequence:
        raise CorruptObject(f"{restore.manifest} is no version that {log.dataset.name} can go back to")
    known = Snapshot(log.dataset, current, log.reader)
    check_stored(log.ports, Snapshot(log.dataset, manifest, log.reader), known=known)
    return manifest


def publish_restore(ports: Ports, reader: PartReader, base: Publication, restored: Manifest) -> Swap:
    """Store the manifest in which a version of before is current again.

    A build or a compaction that is under way ends without effect: the shards that it reads may be here again with
    other rows of them dead, so what it has made of them is of no use (it finds its lease gone).

    Raises:
        StorageError: nothing has changed for anybody.
    """
    goes_on = {
        "dataset_id": base.dataset.dataset_id,
        "reserved_total": base.manifest.reserved_total,
        "open_imports": base.manifest.open_imports,
    }
    following = replace(base, manifest=restored.model_copy(update=goes_on)).following()
    swap = send(Outbox(ports, base.dataset), reader, base, following)
    return replace(swap, ends_build=True)


def check_stored(ports: Ports, snapshot: Snapshot, *, known: Snapshot) -> None:
    """See that all that a version needs is stored (invariant 7), and that what others hang on can be read.

    Args:
        ports: where it should be.
        snapshot: the version.
        known: the one that is current; what it names was seen to be there when it became so.

    Raises:
        CorruptObject: it is not, and never will be.
    """
    snapshot.dead()
    there = _objects_of(known)
    check_there(ports, {key: size for key, size in _objects_of(snapshot).items() if key not in there})


def _objects_of(snapshot: Snapshot) -> dict[str, int]:
    """The objects that a version names, itself or through its cell sets: key and size in bytes."""
    tenant = TenantKeys(snapshot.dataset.tenant_id)
    return named_by(tenant.tenant_id, snapshot.manifest) | {
        tenant.shard_file(shard.shard_id, name): file.size
        for cells in snapshot.cells()
        for shard in cells.cell_set.shards
        for name, file in shard.files.items()
    }
