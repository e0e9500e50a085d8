"""Imports that nobody else looks after any more: a lost event, an upload that never came, a dead workflow."""

import logging

from shoal.errors import NotFound, ShoalError
from shoal.model.imports import Import, ImportFormat, ImportStatus
from shoal.model.limits import IMPORT_SECONDS
from shoal.services.heads import read_head
from shoal.services.imports.ending import conclude, fail
from shoal.services.imports.items import dataset_keys_of, keys_of_import, parse_import
from shoal.services.imports.lookup import read_import
from shoal.services.imports.starting import open_import, start, upload_of
from shoal.services.imports.workflow import how_to_try_again, start_workflow, workflow_of
from shoal.services.listed import look_after_listed
from shoal.services.retry import retry_busy
from shoal.services.wake import wake_indexer
from shoal.storage.keys import IMPORTS
from shoal.storage.ports import Drop, Key, Ports

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 60.0
"""An event of S3 may be over a minute late; a workflow takes a moment to be seen."""
_LATE_UPLOAD_SECONDS = 2 * 3600.0
"""A PUT that began before its address expired may go on for long after."""
_BUDGET_SECONDS = 20.0


def reconcile_imports(ports: Ports) -> int:
    """Start, end or conclude the imports that nobody else does; how many.

    One that cannot be looked after is logged, and holds up none of the others.
    """
    return look_after_listed(
        ports, IMPORTS, lambda key: _look_after(ports, key), budget_seconds=_BUDGET_SECONDS
    )


def _look_after(ports: Ports, key: Key) -> bool:
    # The index lags behind the table, so it only says where to look.
    item = retry_busy(lambda: ports.table.get(key))
    if item is None or "gsi1pk" not in item:
        return False
    job = parse_import(item)
    head = read_head(ports, dataset_keys_of(job))
    if head is None or not head.live:
        return fail(ports, job, "the dataset has been deleted") or _concluded(ports, job)
    if job.status is ImportStatus.AWAITING_UPLOAD:
        return _begun(ports, job)
    if job.status.terminal:
        ports.table.update(key, [Drop("gsi1pk"), Drop("gsi1sk")])
        return False
    return _look_at_workflow(ports, job)


def _begun(ports: Ports, job: Import) -> bool:
    """Whether an import that waits was begun, or ended."""
    match job.format:
        case ImportFormat.REINDEX:  # by who looks after reindexes
            return False
        case ImportFormat.CONTENT:  # by whoever makes the index, at once
            waited = ports.clock() > job.created_at + _GRACE_SECONDS
            return waited and open_import(ports, job)
        case _:
            return _look_for_upload(ports, job)


def _look_for_upload(ports: Ports, job: Import) -> bool:
    now = ports.clock()
    if now < job.created_at + _GRACE_SECONDS:
        return False
    upload = upload_of(ports, job)
    if upload is not None and now > upload.modified_at + _GRACE_SECONDS:
        try:
            return start(ports, job, upload)
        except NotFound:
            return False
    if upload is None and now > job.expires_at + _LATE_UPLOAD_SECONDS:
        return fail(ports, job, "the upload did not arrive before its address expired; create another import")
    return False


def _look_at_workflow(ports: Ports, job: Import) -> bool:
    if job.committed is not None:
        return _concluded(ports, job)
    now = ports.clock()
    started_at = job.started_at or job.created_at
    if now > started_at + IMPORT_SECONDS:
        ended = fail(ports, job, _took_too_long(job))
        retry_busy(lambda: workflow_of(ports, job).stop(job.import_id, cause="too long"))
        return ended
    if now < started_at + _GRACE_SECONDS:
        return False
    status = retry_busy(lambda: workflow_of(ports, job).status(job.import_id))
    if status is None:
        start_workflow(ports, job)
        return True
    if status == "RUNNING":
        return False
    # Read again: it may have ended the import between the two looks.
    current = read_import(ports, keys_of_import(job))
    if current is None or current.status.terminal:
        return False
    return fail(ports, job, f"internal error: the workflow ended ({status}); {how_to_try_again(job)}")


def _took_too_long(job: Import) -> str:
    hours = IMPORT_SECONDS // 3600
    if job.format is ImportFormat.REINDEX:
        return f"the reindex took over {hours} hours: the model is too slow for so many objects"
    if job.format is ImportFormat.CONTENT:
        return f"the build took over {hours} hours: the model is too slow for so many documents; select fewer"
    return f"the import took over {hours} hours; split the file"


def _concluded(ports: Ports, job: Import) -> bool:
    """Conclude an import whose commit is in the log, or have that applied."""
    try:
        if conclude(ports, job).status.terminal:
            return True
        wake_indexer(ports, dataset_keys_of(job))
    except ShoalError:
        _log.info("left for the next sweep", extra={"import_id": job.import_id})
    return False
