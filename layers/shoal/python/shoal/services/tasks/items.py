"""Tasks as items of the table, and the one way in which they change: a revision at a time."""

from dataclasses import fields, replace
from enum import Enum
from typing import Any

from shoal.errors import ConditionFailed
from shoal.model.bindings import Family
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.services.retry import retry_busy
from shoal.storage.keys import FamilyKeys, TenantKeys
from shoal.storage.ports import (
    Absent,
    Action,
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

KEPT_SECONDS = 30 * 86_400
"""How long a task can be asked for once it has ended, and what it was given be used for a restart."""
_LISTED_SECONDS = 2 * KEPT_SECONDS
_WHOLE = ("total", "processed", "failed", "truncated", "tokens", "attempt", "revision")
_MAYBE = ("body_key", "body_sha256", "failed_key", "failed_sha256", "detail")


def key_of(task: Task) -> Key:
    """Where a task is stored."""
    return TenantKeys(task.tenant_id).task(task.kind.value, task.task_id)


def family_keys_of(task: Task) -> FamilyKeys:
    """The keys of the family on whose collections a task works."""
    return FamilyKeys(task.tenant_id, task.family.value)


def task_item(task: Task) -> Item:
    """A task as stored."""
    key = key_of(task)
    stored = {field.name: _stored(getattr(task, field.name)) for field in fields(task)}
    return {"pk": key.pk, "sk": key.sk, **stored}


def parse_task(item: Item) -> Task:
    """A task as stored."""
    rest: dict[str, Any] = {name: item.get(name) for name in _MAYBE}
    rest |= {name: int(item.get(name, 0)) for name in _WHOLE}
    return Task(
        task_id=item["task_id"],
        kind=TaskKind(item["kind"]),
        tenant_id=item["tenant_id"],
        family=Family(item["family"]),
        model_id=item["model_id"],
        created_at=float(item["created_at"]),
        updated_at=float(item["updated_at"]),
        status=TaskStatus(item["status"]),
        asked_as=item.get("asked_as", ""),
        place=_maybe_whole(item.get("place")),
        vector_quota=_maybe_whole(item.get("vector_quota")),
        written={name: int(count) for name, count in item.get("written", {}).items()},
        sequences={name: int(sequence) for name, sequence in item.get("sequences", {}).items()},
        settings=dict(item.get("settings", {})),
        **rest,
    )


def _maybe_whole(value: Any) -> int | None:
    return None if value is None else int(value)


def put_new(task: Task) -> list[Write]:
    """What stores a new task, in a transaction: the task first, whose id must be free, then the pointer by age."""
    pointer = TenantKeys(task.tenant_id).task_by_age(task.kind.value, task.created_at, task.task_id)
    listed = {
        "pk": pointer.pk,
        "sk": pointer.sk,
        "task_id": task.task_id,
        "expires_at": int(task.created_at + _LISTED_SECONDS),
    }
    return [PutItem(task_item(task), condition=Absent("pk")), PutItem(listed)]


def read_task(ports: Ports, tenant_id: str, kind: TaskKind, task_id: str) -> Task | None:
    """A task as it is now; None where there is none of that id."""
    item = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).task(kind.value, task_id)))
    return parse_task(item) if item else None


def change(task: Task, *, now: float, **changes: Any) -> UpdateItem:
    """What changes some fields of a task, if nobody has changed it since it was read.

    It fails where the task has another revision; `after_change` is the task once it succeeded.
    """
    actions: list[Action] = [Assign(name, _stored(value)) for name, value in changes.items()]
    actions += [Assign("updated_at", now), Assign("revision", task.revision + 1)]
    status = changes.get("status")
    if status is not None and TaskStatus(status).terminal:
        actions.append(Assign("expires_at", int(now + KEPT_SECONDS)))
    elif status is not None:
        actions.append(Drop("expires_at"))
    unchanged = Compare("revision", "=", task.revision)
    return UpdateItem(key_of(task), tuple(actions), condition=unchanged)


def after_change(task: Task, *, now: float, **changes: Any) -> Task:
    """The task that `change` makes of it."""
    return replace(task, **changes, updated_at=now, revision=task.revision + 1)


def change_now(ports: Ports, task: Task, **changes: Any) -> Task | None:
    """Change some fields of a task; None where somebody else has changed it since it was read.

    A change whose answer was lost also looks like somebody else's: read the task again.

    Raises:
        StorageBusy: storage is busy; whether it changed is not known.
    """
    now = ports.clock()
    write = change(task, now=now, **changes)
    try:
        retry_busy(lambda: ports.table.update(write.key, write.actions, condition=write.condition))
    except ConditionFailed:
        return None
    return after_change(task, now=now, **changes)


def _stored(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
