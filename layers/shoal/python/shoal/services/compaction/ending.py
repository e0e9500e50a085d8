"""How compactions end: completed, with their version current; or stopped or failed, without effect."""

import logging
from collections.abc import Mapping
from typing import Any

from shoal.errors import ConditionFailed
from shoal.model.compactions import Compaction, CompactionStatus
from shoal.services.compaction.items import dataset_keys_of, find_compaction, keys_of_compaction
from shoal.services.heads import read_head
from shoal.services.leases import release_build
from shoal.services.retry import retry_busy
from shoal.services.wake import wake_builder
from shoal.storage.ports import Assign, Compare, Ports

_log = logging.getLogger(__name__)


def _end(ports: Ports, job: Compaction, status: CompactionStatus, message: str | None = None) -> None:
    """Mark a running compaction as ended; one that has ended stays as it is."""
    running = Compare("status", "=", CompactionStatus.RUNNING.value)
    actions = [
        Assign("status", status.value),
        Assign("error_message", message),
        Assign("completed_at", ports.clock()),
    ]
    try:
        retry_busy(lambda: ports.table.update(keys_of_compaction(job).item, actions, condition=running))
    except ConditionFailed:
        return
    _log.info("compaction ended", extra={"run_id": job.run_id, "status": status.value, "reason": message})


def complete(ports: Ports, job: Compaction) -> None:
    """Mark a compaction as committed."""
    _end(ports, job, CompactionStatus.COMPLETED)


def stop(ports: Ports, job: Compaction, reason: str) -> None:
    """End a compaction that has lost its ground, and give its lease back: what is due is decided anew."""
    _end(ports, job, CompactionStatus.STOPPED, reason)
    release_build(ports, dataset_keys_of(job), owner=job.run_id)


def handle_failure(ports: Ports, event: Mapping[str, Any]) -> dict[str, str]:
    """What the workflow does when a state has failed for good: ``{"run_id", "error": {"Error"}}``.

    `stopped`: somebody else was faster, or what was compacted is gone; `error`: an operator must look at it. Then
    the lease is left to run out: until it has, nobody tries again what has just failed.
    """
    run_id = str(event["run_id"])
    job = find_compaction(ports, run_id)
    if job is None or job.status.terminal:
        return {"outcome": "stopped"}
    keys = dataset_keys_of(job)
    head = read_head(ports, keys)
    if head is not None and head.compacted_by == run_id:
        complete(ports, job)
        return {"outcome": "stopped"}
    name = str((event.get("error") or {}).get("Error", "unknown"))
    lost = head is None or not head.live or head.build_owner != run_id
    if lost or name == "RunStopped":
        stop(ports, job, "what it compacted is gone, or is compacted by somebody else")
        if not lost:
            wake_builder(ports, keys)
        return {"outcome": "stopped"}
    _log.error("compaction failed", extra={"run_id": run_id, "error": name})
    _end(ports, job, CompactionStatus.FAILED, f"internal error ({name}); the dataset is as it was")
    return {"outcome": "error"}
