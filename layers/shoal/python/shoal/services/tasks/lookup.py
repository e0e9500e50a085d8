"""Tasks as users see them: found, listed, cancelled, and put in the line once more."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import batched

from shoal.errors import Conflict, NotFound, TryAgain
from shoal.model.tasks import FailedObject, Task, TaskKind, TaskStatus
from shoal.services.heads import parse_head
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.services.sequence import or_try_again
from shoal.services.tasks.bodies import read_body
from shoal.services.tasks.failures import read_failures
from shoal.services.tasks.items import change, change_now, family_keys_of, parse_task, read_task
from shoal.services.tasks.joining import join_line
from shoal.services.tasks.wake import try_to_wake_line
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Ports, Write

_ATTEMPTS = 8
_PAGE = 100


def get_task(ports: Ports, tenant_id: str, kinds: Sequence[TaskKind], task_id: str) -> Task:
    """A task of one of these kinds, the first of which wins.

    Raises:
        NotFound: code `task_not_found`.
    """
    return shown(ports, [_stored(ports, tenant_id, kinds, task_id)])[0]


def list_tasks(
    ports: Ports,
    tenant_id: str,
    kind: TaskKind,
    *,
    offset: int = 0,
    limit: int = 100,
    status: TaskStatus | None = None,
) -> list[Task]:
    """Tasks of a kind, oldest first; only those of a status where one is given."""
    oldest = TenantKeys(tenant_id).task_by_age(kind.value, 0, "")
    prefix = oldest.sk.removesuffix(f"{0:016x}#")
    found: list[Task] = []
    skipped = 0
    for page in batched(every_item(ports, oldest.pk, prefix=prefix), _PAGE):
        for task in _listed(ports, tenant_id, kind, [str(item["task_id"]) for item in page]):
            if status is not None and task.status is not status:
                continue
            if skipped < offset:
                skipped += 1
                continue
            found.append(task)
            if len(found) == limit:
                return found
    return found


def _listed(ports: Ports, tenant_id: str, kind: TaskKind, task_ids: Sequence[str]) -> list[Task]:
    keys = [TenantKeys(tenant_id).task(kind.value, task_id) for task_id in dict.fromkeys(task_ids)]
    items = {item["sk"]: item for item in retry_busy(lambda: ports.table.batch_get(keys))} if keys else {}
    return shown(ports, [parse_task(items[key.sk]) for key in keys if key.sk in items])


def shown(ports: Ports, tasks: Sequence[Task]) -> list[Task]:
    """Tasks as they are shown: done once what they wrote can be found, processing until then."""
    waited_for = {
        DatasetKeys(task.tenant_id, dataset_id).head: None
        for task in tasks
        if task.status is TaskStatus.DONE
        for dataset_id in task.sequences
    }
    if not waited_for:
        return list(tasks)
    items = retry_busy(lambda: ports.table.batch_get(list(waited_for)))
    heads = {str(item["pk"]).rpartition("#")[2]: parse_head(item) for item in items}

    def applied(dataset_id: str, sequence: int) -> bool:
        head = heads.get(dataset_id)  # of one that is deleted nothing more will come
        return head is None or not head.live or head.watermark >= sequence

    return [
        replace(task, status=TaskStatus.PROCESSING)
        if task.status is TaskStatus.DONE and not all(applied(*place) for place in task.sequences.items())
        else task
        for task in tasks
    ]


def failed_objects(ports: Ports, task: Task) -> list[FailedObject]:
    """The objects that a task could not do, in order; nothing where the list is not stored any more.

    Raises:
        CorruptObject: what is stored is not what was put.
    """
    return read_failures(ports, task)


def object_ids(ports: Ports, task: Task) -> list[str] | None:
    """The objects that a task is about, in order; None where they are not stored any more.

    Raises:
        CorruptObject: what is stored is not what was put.
    """
    body = read_body(ports, task)
    return None if body is None else body.object_ids()


def cancel_task(ports: Ports, tenant_id: str, kinds: Sequence[TaskKind], task_id: str) -> Task:
    """End a task before its time; what it has written stays. One that is cancelled already is the answer as it is.

    Raises:
        Conflict: code `task_ended`: all it asks for is written, or it has failed.
        NotFound: code `task_not_found`.
        TryAgain: it changes all the time; nothing was done.
    """
    for _ in range(_ATTEMPTS):
        task = _stored(ports, tenant_id, kinds, task_id)
        if task.status is TaskStatus.CANCELED:
            return task
        if task.status.terminal:
            raise Conflict("task_ended", f"task {task_id} is {task.status.value}; there is nothing to cancel")
        canceled = change_now(ports, task, status=TaskStatus.CANCELED)
        if canceled is not None:
            return canceled
    raise TryAgain("the task is changing; send the request again")


def restart_task(ports: Ports, tenant_id: str, kinds: Sequence[TaskKind], task_id: str) -> Task:
    """Have a task that has ended done again, all of it, behind those that wait.

    Raises:
        Conflict: `task_not_ended`; `task_expired`: what it was given is not stored any more.
        LimitReached: code `backlog_full`.
        NotFound: code `task_not_found`.
        TryAgain: nothing was done.
    """
    task = get_task(ports, tenant_id, kinds, task_id)
    if not task.status.terminal:
        raise Conflict("task_not_ended", f"task {task_id} is {task.status.value}; it has not ended yet")
    body_key = task.body_key
    body = None if body_key is None else or_try_again(lambda: ports.objects.head(body_key))
    if body is None:
        raise Conflict("task_expired", f"what task {task_id} was given is not stored any more; send it again")
    now = ports.clock()
    anew = {
        "status": TaskStatus.PENDING,
        "attempt": task.attempt + 1,
        "processed": 0,
        "failed": 0,
        "failed_key": None,
        "failed_sha256": None,
        "truncated": 0,
        "tokens": 0,
        "written": {},
        "sequences": {},
        "detail": None,
    }

    def writes(placed: Task) -> list[Write]:
        return [change(task, now=now, place=placed.place, **anew)]

    keys, again = family_keys_of(task), replace(task, attempt=task.attempt + 1)
    _, joined = join_line(ports, keys, again, size=body.size, writes=writes)
    if not joined:
        raise TryAgain("the task has just been changed; send the request again")
    try_to_wake_line(ports, keys)
    return _stored(ports, tenant_id, [task.kind], task_id)


def _stored(ports: Ports, tenant_id: str, kinds: Sequence[TaskKind], task_id: str) -> Task:
    for kind in kinds:
        task = read_task(ports, tenant_id, kind, task_id)
        if task is not None:
            return task
    raise NotFound("task_not_found", f"Task with ID `{task_id}` not found")
