"""How imports end: failed, with nothing of them indexed, or completed."""

import logging

from shoal.errors import ConditionFailed, NotFound
from shoal.model.imports import Import, ImportStatus
from shoal.model.jobs import JobKind
from shoal.services.heads import read_head
from shoal.services.imports.items import dataset_keys_of, keys_of_import, parse_import
from shoal.services.imports.log_entries import enter_log
from shoal.services.imports.lookup import read_import
from shoal.services.retry import retry_busy
from shoal.services.wake import wake_indexer
from shoal.storage.ports import (
    Absent,
    Action,
    AllOf,
    Assign,
    Compare,
    Condition,
    Drop,
    Ports,
)

_log = logging.getLogger(__name__)
_ENDED: tuple[Action, ...] = (Drop("gsi1pk"), Drop("gsi1sk"))


def fail(ports: Ports, job: Import, message: str) -> bool:
    """End an import with nothing of it indexed; whether this call did.

    One that has ended already, or has entered the log for its commit, stays as it is.

    Raises:
        TryAgain: storage is busy; the import is as it was.
    """
    now: Import | None = job
    while now is not None and not now.status.terminal and now.committed is None:
        if _failed(ports, now, message):
            _log.info("import failed", extra={"import_id": job.import_id, "reason": message})
            return True
        now = read_import(ports, keys_of_import(job))
    return False


def _failed(ports: Ports, job: Import, message: str) -> bool:
    """Whether the import is failed now; False where it has changed since it was read."""
    changes: tuple[Action, ...] = (
        Assign("status", ImportStatus.FAILED.value),
        Assign("failed_in", job.status.value),
        Assign("error_message", message),
        Assign("completed_at", ports.clock()),
        *_ENDED,
    )
    unchanged: Condition = AllOf(
        (
            Compare("status", "=", job.status.value),
            Absent("committed"),
            Compare("reserved", "=", job.reserved) if job.reserved else Absent("reserved"),
        )
    )
    keys = dataset_keys_of(job)
    if job.multipart is not None and job.sequence is None:
        upload_id = job.multipart
        retry_busy(lambda: ports.uploads.drop_parts(keys_of_import(job).upload, upload_id=upload_id))
    head = read_head(ports, keys)
    if job.sequence is not None and head is not None and head.live:
        try:
            entered = enter_log(
                ports,
                job,
                JobKind.IMPORT_END,
                place_field="ended",
                changes=changes,
                condition=unchanged,
                reserved=job.reserved,
            )
        except NotFound:
            pass  # the dataset was deleted just now, and its log with it
        else:
            wake_indexer(ports, keys)
            return entered
    try:
        retry_busy(lambda: ports.table.update(keys_of_import(job).item, changes, condition=unchanged))
    except ConditionFailed:
        return False
    return True


def conclude(ports: Ports, job: Import) -> Import:
    """Mark an import as what the log has made of it, once its commit is applied; until then it stays as it is."""
    keys = dataset_keys_of(job)
    if job.committed is None or job.status.terminal:
        return job
    head = read_head(ports, keys)
    place = retry_busy(lambda: ports.table.get(keys.job(job.committed or 0)))
    gone = head is None or not head.live
    if not gone and head is not None and head.watermark < job.committed:
        return job
    error = "the dataset has been deleted" if gone else (place or {}).get("error")
    changes: tuple[Action, ...] = (Assign("status", ImportStatus.COMPLETED.value),)
    if error is not None:
        changes = (
            Assign("status", ImportStatus.FAILED.value),
            Assign("failed_in", job.status.value),
            Assign("error_message", str(error)),
        )
    not_concluded = Compare("status", "=", ImportStatus.INDEXING.value)
    try:
        item = retry_busy(
            lambda: ports.table.update(
                keys_of_import(job).item,
                (*changes, Assign("completed_at", ports.clock()), *_ENDED),
                condition=not_concluded,
            )
        )
    except ConditionFailed as concluded:
        return parse_import(concluded.item) if concluded.item else job
    return parse_import(item)
