"""Third of a reindex: its import is created, opened in the log of the destination, and its workflow started."""

from shoal.errors import NotFound, TransactionCancelled
from shoal.model.ids import new_token, transaction_token
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.model.tasks import Task, TaskStatus
from shoal.services.imports.items import put_new
from shoal.services.imports.starting import open_import
from shoal.services.reindex.lookup import import_of, settings_of
from shoal.services.sequence import or_try_again
from shoal.services.tasks.items import key_of
from shoal.storage.ports import AllOf, CheckItem, Compare, Ports


def launch(ports: Ports, task: Task) -> None:
    """Begin the import of a reindex whose pair is put, as far as that has not been done.

    Raises:
        NotFound: the destination has been deleted.
        TryAgain: it goes on later.
    """
    job = import_of(ports, task)
    if job is None:
        _store(ports, task)
        job = import_of(ports, task)
    if job is not None and job.status is ImportStatus.AWAITING_UPLOAD:
        # From here on whatever the line writes to the destination is newer than what the import brings.
        open_import(ports, job)


def _store(ports: Ports, task: Task) -> None:
    """Put the import, unless it is there, or the task has ended meanwhile."""
    settings = settings_of(task)
    if settings.import_id is None or settings.dest_id is None:
        raise ValueError("a reindex without a pair has no import")
    now = ports.clock()
    job = Import(
        import_id=settings.import_id,
        tenant_id=task.tenant_id,
        dataset_id=settings.dest_id,
        dataset_name=settings.dest.model_id,
        format=ImportFormat.REINDEX,
        error_mode=ErrorMode.CONTINUE,
        max_bad_records=None,  # until it is known how many objects there are
        created_at=now,
        expires_at=now,
        max_bytes=0,
        vector_quota=task.vector_quota,
        task_id=task.task_id,
    )
    still_this_attempt = AllOf(
        (Compare("status", "=", TaskStatus.PROCESSING.value), Compare("attempt", "=", task.attempt))
    )
    writes = [*put_new(job), CheckItem(key_of(task), still_this_attempt)]
    token = transaction_token("reindex import", new_token())
    try:
        or_try_again(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise NotFound("collection_not_found", "the destination collection has been deleted") from lost
