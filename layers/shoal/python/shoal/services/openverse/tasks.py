"""Tasks as items of the table, and the one way in which they change: a revision at a time.

Those with something left to do are listed, so that the sweep finds one whose workflow died.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from enum import Enum
from typing import Any

from shoal.errors import ConditionFailed, TransactionCancelled, TryAgain
from shoal.model.ids import transaction_token
from shoal.model.openverse import Action, Callback, OpenverseTask, TaskState
from shoal.services.retry import retry_busy
from shoal.storage.keys import INGESTIONS, TenantKeys
from shoal.storage.ports import (
    Absent,
    Assign,
    Compare,
    Drop,
    Item,
    Key,
    Ports,
    PutItem,
    UpdateItem,
    Write,
)
from shoal.storage.ports import Action as Change

KIND = "openverse"
_ID = re.compile("[0-9a-f]{32}")
KEPT_SECONDS = 30 * 86_400
"""How long a task can be asked for once it has ended."""
MAX_LISTED = 1000
"""Tasks of a list: the newest."""
_LISTED_SECONDS = 2 * KEPT_SECONDS
_ATTEMPTS = 8


def key_of(tenant_id: str, task_id: str) -> Key:
    """Where a task is stored."""
    return TenantKeys(tenant_id).task(KIND, task_id)


def put_new(ports: Ports, task: OpenverseTask) -> None:
    """Store a new task. One of that id is there already where an earlier try has stored it: nothing happens then.

    Raises:
        StorageBusy: storage is busy; whether it is stored is not known.
    """
    key = key_of(task.tenant_id, task.task_id)
    pointer = TenantKeys(task.tenant_id).task_by_age(KIND, task.created_at, task.task_id)
    stored = {field.name: _stored(getattr(task, field.name)) for field in fields(task)}
    item: Item = {"pk": key.pk, "sk": key.sk, **stored, **_listing(task), **_expiry(task)}
    by_age: Item = {
        "pk": pointer.pk,
        "sk": pointer.sk,
        "task_id": task.task_id,
        "expires_at": int(task.created_at + _LISTED_SECONDS),
    }
    writes: list[Write] = [PutItem(item, condition=Absent("pk")), PutItem(by_age)]
    token = transaction_token("openverse task", task.tenant_id, task.task_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled as lost:
        if not lost.failed[0]:
            raise


def read_task(ports: Ports, tenant_id: str, task_id: str) -> OpenverseTask | None:
    """A task as it is now; None where there is none of that id, or where that is no id of a task."""
    if not _ID.fullmatch(task_id):
        return None
    item = retry_busy(lambda: ports.table.get(key_of(tenant_id, task_id)))
    return parse_task(item) if item else None


def list_tasks(ports: Ports, tenant_id: str, *, limit: int = MAX_LISTED) -> list[OpenverseTask]:
    """The newest tasks, newest first."""
    oldest = TenantKeys(tenant_id).task_by_age(KIND, 0, "")
    prefix = oldest.sk.removesuffix(f"{0:016x}#")
    ids: list[str] = []
    after: Mapping[str, Any] | None = None
    while len(ids) < limit:
        page = ports.table.query(
            oldest.pk, prefix=prefix, ascending=False, limit=limit - len(ids), after=after
        )
        ids += [str(item["task_id"]) for item in page.items]
        after = page.after
        if after is None:
            break
    keys = [key_of(tenant_id, task_id) for task_id in ids]
    items = {item["sk"]: item for item in retry_busy(lambda: ports.table.batch_get(keys))} if keys else {}
    return [parse_task(items[key.sk]) for key in keys if key.sk in items]


def change_task(ports: Ports, task: OpenverseTask, **changes: Any) -> OpenverseTask | None:
    """Change some fields of a task; None where somebody else has changed it since it was read.

    A change whose answer was lost also looks like somebody else's: read the task again.

    Raises:
        StorageBusy: storage is busy; whether it changed is not known.
    """
    changed, write = change_write(task, **changes)
    try:
        retry_busy(lambda: ports.table.update(write.key, write.actions, condition=write.condition))
    except ConditionFailed:
        return None
    return changed


def change_write(task: OpenverseTask, **changes: Any) -> tuple[OpenverseTask, UpdateItem]:
    """A task as changes make it, and what stores them in a transaction, unless somebody else has changed it."""
    changed = replace(task, **changes, revision=task.revision + 1)
    actions: list[Change] = [Assign(name, _stored(getattr(changed, name))) for name in (*changes, "revision")]
    listing = _listing(changed)
    actions += [Assign(*pair) for pair in {**listing, **_expiry(changed)}.items()]
    if not listing:
        actions += [Drop("gsi1pk"), Drop("gsi1sk")]
    unchanged = Compare("revision", "=", task.revision)
    return changed, UpdateItem(key_of(task.tenant_id, task.task_id), tuple(actions), condition=unchanged)


def change_running(
    ports: Ports, task: OpenverseTask, changes: Callable[[OpenverseTask], Mapping[str, Any]]
) -> OpenverseTask:
    """Change a task as it is now, whatever it was when it was read; the task after that.

    One that has ended is left as it is.

    Raises:
        TryAgain: others change it all the time.
    """
    now: OpenverseTask | None = task
    for _ in range(_ATTEMPTS):
        if now is None or now.status.terminal:
            return now or task
        changed = change_task(ports, now, **changes(now))
        if changed is not None:
            return changed
        now = read_task(ports, task.tenant_id, task.task_id)
    raise TryAgain("the task is changing; send the request again")


def finish_task(
    ports: Ports,
    task: OpenverseTask,
    *,
    failed: bool = False,
    bad_request: bool = False,
    detail: str | None = None,
    **changes: Any,
) -> OpenverseTask:
    """End a task, unless it has ended; the task as it is then.

    A completed one has progress 100, and its callback is to be sent. A failed one keeps the progress it had.

    Args:
        ports: where.
        task: as read; it may have changed meanwhile.
        failed: whether it could not be done.
        bad_request: whether that, or that there was nothing to do, is the caller's doing.
        detail: why, or what there is to know, in words.
        changes: more fields that change with it.

    Raises:
        TryAgain: others change it all the time.
    """
    return change_running(
        ports,
        task,
        lambda now: {
            **changes,
            **ended(now, at=ports.clock(), failed=failed, bad_request=bad_request, detail=detail),
        },
    )


def ended(
    task: OpenverseTask, *, at: float, failed: bool, bad_request: bool, detail: str | None
) -> dict[str, Any]:
    """What changes of a task that ends; as `finish_task`."""
    changes: dict[str, Any] = {"finished_at": at, "is_bad_request": bad_request}
    if detail is not None:
        changes["detail"] = detail
    if failed:
        return {**changes, "status": TaskState.FAILED, "progress": min(task.progress, 99.9)}
    called = Callback.PENDING if task.callback_url is not None else None
    return {**changes, "status": TaskState.COMPLETED, "progress": 100.0, "callback": called}


def parse_task(item: Item) -> OpenverseTask:
    """A task as stored."""
    callback, finished_at, quota = item.get("callback"), item.get("finished_at"), item.get("vector_quota")
    removed: Sequence[Sequence[Any]] = item.get("removed_by_term", ())
    return OpenverseTask(
        task_id=str(item["task_id"]),
        tenant_id=str(item["tenant_id"]),
        action=Action(item["action"]),
        model=str(item["model"]),
        created_at=float(item["created_at"]),
        status=TaskState(item["status"]),
        progress=float(item["progress"]),
        index=item.get("index"),
        source_scope=item.get("source_scope"),
        source=item.get("source"),
        run_id=item.get("run_id"),
        request=dict(item.get("request", {})),
        work=dict(item.get("work", {})),
        callback_url=item.get("callback_url"),
        callback=None if callback is None else Callback(callback),
        callback_attempts=int(item.get("callback_attempts", 0)),
        is_bad_request=bool(item.get("is_bad_request")),
        detail=item.get("detail"),
        removed_by_term=tuple((str(term), int(count)) for term, count in removed),
        finished_at=None if finished_at is None else float(finished_at),
        vector_quota=None if quota is None else int(quota),
        revision=int(item.get("revision", 0)),
    )


def _listing(task: OpenverseTask) -> dict[str, Any]:
    if task.settled:
        return {}
    return {"gsi1pk": INGESTIONS, "gsi1sk": f"{task.tenant_id}#{task.task_id}"}


def _expiry(task: OpenverseTask) -> dict[str, Any]:
    return {"expires_at": int(task.finished_at + KEPT_SECONDS)} if task.finished_at is not None else {}


def _stored(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return [list(pair) for pair in value] if isinstance(value, tuple) else value
