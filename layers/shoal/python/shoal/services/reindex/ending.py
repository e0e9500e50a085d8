"""Reindexes that come to nothing: cancelled or failed, and what has to be cleared away behind them."""

import logging

from shoal.errors import ConditionFailed, Conflict, NotFound, ShoalError, TryAgain
from shoal.model.bindings import BLUE
from shoal.model.imports import Import, ImportStatus
from shoal.model.tasks import Task, TaskStatus
from shoal.services.append import Requirement
from shoal.services.collections.counts import mark_many_parts
from shoal.services.datasets import delete_dataset
from shoal.services.imports.ending import fail
from shoal.services.imports.lookup import read_import
from shoal.services.imports.workflow import workflow_of
from shoal.services.reindex.beginning import begin_waiting, find_dest, stop_waiting
from shoal.services.reindex.lookup import find_reindex, import_of, is_there, read_reindex, settings_of
from shoal.services.retry import retry_busy
from shoal.services.tasks.family import FamilyState, Pair, read_family, without_pair
from shoal.services.tasks.items import change_now, family_keys_of
from shoal.storage.keys import DatasetKeys, FamilyKeys, ImportKeys, TenantKeys
from shoal.storage.ports import Absent, AnyOf, CheckItem, Compare, Ports

_log = logging.getLogger(__name__)
CANCELED = "canceled"
DEST_DELETED = "the destination collection has been deleted"
_ATTEMPTS = 20


def cancel_reindex(ports: Ports, tenant_id: str, task_id: str) -> Task:
    """End a reindex. The source stays as it is; the destination goes, if the reindex has made it.

    One that is cancelled already is the answer as it is.

    Raises:
        Conflict: `task_ended`: it is done, has failed, or was refused.
        NotFound: `task_not_found`.
        TryAgain: it goes on.
    """
    for _ in range(_ATTEMPTS):
        task = read_reindex(ports, tenant_id, task_id)
        if task is None:
            raise NotFound("task_not_found", f"Task with ID `{task_id}` not found")
        if task.status is TaskStatus.CANCELED:
            _try_to_clear(ports, task)
            return task
        if task.status.terminal:
            raise Conflict("task_ended", f"task {task_id} is {task.status.value}; there is nothing to cancel")
        if task.status is TaskStatus.PENDING:
            ended = stop_waiting(ports, task, TaskStatus.CANCELED, None)
        else:
            ended = end(ports, task, TaskStatus.CANCELED, None)
        if ended is not None:
            return ended
    raise TryAgain("the task changes all the time; send the request again")


def end(ports: Ports, task: Task, status: TaskStatus, detail: str | None) -> Task | None:
    """End a reindex that has begun, with nothing of it deployed; None where the task has changed meanwhile.

    From here on it is over for its owner, whatever is left to be cleared away.
    """
    job = import_of(ports, task)
    counted = {"processed": job.objects, "failed": job.records_rejected, "tokens": job.tokens} if job else {}
    ended = change_now(ports, task, status=status, detail=detail, **counted)
    if ended is None:
        now = read_reindex(ports, task.tenant_id, task.task_id)
        if now is None or (now.status, now.attempt) != (status, task.attempt):
            return None
        ended = now  # an attempt whose answer was lost, or somebody else who does the same
    _log.info("reindex ended", extra={"task_id": task.task_id, "status": status.value, "reason": detail})
    _try_to_clear(ports, ended)
    return ended


def _try_to_clear(ports: Ports, task: Task) -> None:
    try:
        clear(ports, task)
    except ShoalError:
        _log.warning("left to the sweep", extra={"task_id": task.task_id})


def conclude(ports: Ports, import_id: str) -> bool:
    """End the reindex whose import has failed, as its owner is told why; whether nothing of it is left."""
    found = find_reindex(ports, import_id)
    if found is None:
        return True
    if not found.task.status.terminal:
        if found.job.status is not ImportStatus.FAILED:
            return False
        return end(ports, found.task, TaskStatus.FAILED, found.job.error_message) is not None
    clear(ports, found.task)
    return True


def clear(ports: Ports, task: Task) -> None:
    """Clear away what is left of a reindex that has ended without being deployed; then others may begin.

    Raises:
        TryAgain: not all of it could be.
    """
    keys = family_keys_of(task)
    pair = next((pair for pair in read_family(ports, keys).reindexes if pair.task_id == task.task_id), None)
    if pair is None:
        return
    import_keys = ImportKeys(task.tenant_id, pair.dest, pair.import_id)
    job = read_import(ports, import_keys)
    if job is not None:
        _stop(ports, task, job)
        job = read_import(ports, import_keys)
        if job is not None and job.committed is not None:
            # Its rows stay where the destination does: who replaces one has to know of its further parts.
            mark_many_parts(ports, DatasetKeys(task.tenant_id, pair.dest))
    for _ in range(_ATTEMPTS):
        state = read_family(ports, keys)
        if all(known.import_id != pair.import_id for known in state.reindexes) or _removed(
            ports, keys, state, task, pair
        ):
            begin_waiting(ports, keys)
            return
    raise TryAgain("reindexes begin and end all the time")


def _stop(ports: Ports, task: Task, job: Import) -> None:
    """End the import with nothing of it indexed; one that has entered the log for its commit stays."""
    fail(ports, job, task.detail or CANCELED)
    if task.status is not TaskStatus.CANCELED:
        return  # it is the workflow that ends it
    try:
        retry_busy(lambda: workflow_of(ports, job).stop(job.import_id, cause=CANCELED))
    except ShoalError:
        _log.info("workflow not stopped; its next step will", extra={"import_id": job.import_id})


def _removed(ports: Ports, keys: FamilyKeys, state: FamilyState, task: Task, pair: Pair) -> bool:
    """Take the pair away, and the destination with it where the reindex has made it; False where something was not
    as read.
    """
    write = without_pair(keys, state, task.task_id)
    dest = find_dest(ports, task)
    dest_keys = DatasetKeys(task.tenant_id, pair.dest)
    ours = settings_of(task).makes and dest is not None and dest.dataset_id == pair.dest
    if ours and dest is not None and is_there(ports, dest_keys):
        alias = TenantKeys(task.tenant_id).name(task.family.scope, BLUE)
        not_blue = AnyOf((Absent("pk"), Compare("dataset_id", "<>", pair.dest)))
        requires = (
            Requirement(write, TryAgain("a reindex began or ended at this moment")),
            Requirement(CheckItem(alias, not_blue), Conflict("collection_is_blue", "it is the active one")),
        )
        try:
            delete_dataset(ports, task.tenant_id, scope=dest.scope, name=dest.name, requires=requires)
        except (TryAgain, NotFound):
            return False
        except Conflict:
            _log.info("a destination that has become blue stays", extra={"dataset_id": pair.dest})
        else:
            return True
    try:
        retry_busy(lambda: ports.table.update(write.key, write.actions, condition=write.condition))
    except ConditionFailed:
        return False
    return True
