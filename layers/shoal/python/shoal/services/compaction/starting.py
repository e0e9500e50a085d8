"""Starting a compaction: its item and the build lease in one transaction, then its workflow."""

import logging

from shoal.errors import ShoalError, TransactionCancelled
from shoal.model.compactions import Compaction
from shoal.model.datasets import Head
from shoal.model.ids import new_compaction_id, transaction_token
from shoal.model.merge_policy import Compact
from shoal.services.compaction.ending import stop
from shoal.services.compaction.items import (
    KEPT_SECONDS,
    compaction_item,
    dataset_keys_of,
    find_compaction,
    keys_of_compaction,
)
from shoal.services.leases import build_lease
from shoal.services.pipeline.items import pointer_item
from shoal.services.retry import retry_busy
from shoal.services.snapshot import Snapshot
from shoal.storage.ports import Absent, Ports, PutItem, Write

_log = logging.getLogger(__name__)
_ATTEMPTS = 10


def start(ports: Ports, snapshot: Snapshot, head: Head, inputs: Compact) -> Compaction | None:
    """Start to compact these inputs of a version; None where a build is running, or HEAD has moved on.

    From then on no flat shard of that version is folded away, and nobody else builds. The workflow is started
    under the compaction's id, so that starting it twice is one start.

    Raises:
        StorageError: nothing was started.
    """
    if head.manifest is None or head.manifest_sha256 is None:
        raise ValueError("a version to compact has a manifest")
    dataset, manifest, now = snapshot.dataset, snapshot.manifest, ports.clock()
    job = Compaction(
        run_id=new_compaction_id(now),
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        manifest=head.manifest,
        manifest_sha256=head.manifest_sha256,
        version=manifest.version,
        watermark=manifest.watermark,
        cell_sets=inputs.cell_sets,
        created_at=now,
    )
    flat = tuple(shard.shard_id for shard in manifest.shards)
    pointer = pointer_item(keys_of_compaction(job), expires_at=int(now) + KEPT_SECONDS)
    writes: list[Write] = [
        build_lease(dataset_keys_of(job), owner=job.run_id, read=head, inputs=flat, now=now),
        PutItem(compaction_item(job), condition=Absent("pk")),
        PutItem(pointer, condition=Absent("pk")),
    ]
    token = transaction_token("compaction", job.run_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token), attempts=_ATTEMPTS)
    except TransactionCancelled:
        _log.info("not the time to compact", extra={"dataset_id": dataset.dataset_id})
        return None
    _stop_predecessor(ports, head)
    try:
        retry_busy(lambda: ports.compactions.start(job.run_id, {"run_id": job.run_id}))
    except ShoalError:
        stop(ports, job, "its workflow could not be started")
        raise
    _log.info(
        "started a compaction",
        extra={
            "dataset_id": dataset.dataset_id,
            "run_id": job.run_id,
            "version": manifest.version,
            "cell_sets": len(inputs.cell_sets),
            "flat_rows": manifest.flat_rows,
        },
    )
    return job


def _stop_predecessor(ports: Ports, head: Head) -> None:
    """Say of a compaction whose lease has run out that it is over: it may have died without a word."""
    owner = head.build_owner or ""
    before = find_compaction(ports, owner) if owner.startswith("cmp_") else None
    if before is not None:
        stop(ports, before, "its lease ran out, and another compaction has begun")
