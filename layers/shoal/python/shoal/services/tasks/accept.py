"""Accepting tasks: durable first, then a place in the line of the family, then the answer.

Who dies before there is a place leaves an object that no task names, and that expires.
"""

import secrets

from shoal.index.checksums import sha256_hex
from shoal.model.bindings import Family
from shoal.model.ids import new_log_name
from shoal.model.tasks import Task, TaskKind, check_task_id
from shoal.services.collections.catalog import find_collection
from shoal.services.sequence import or_try_again
from shoal.services.tasks.bodies import DeleteBody, ObjectsBody, TaskBody, UpsertBody, encode_body
from shoal.services.tasks.items import put_new, read_task
from shoal.services.tasks.joining import join_line
from shoal.services.tasks.wake import try_to_wake_line
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Ports

__all__ = ["DeleteBody", "ObjectsBody", "TaskBody", "UpsertBody", "accept"]

_PUBLIC = frozenset({TaskKind.UPSERTION, TaskKind.DELETION})


def accept(
    ports: Ports,
    tenant_id: str,
    *,
    kind: TaskKind,
    family: Family,
    model_id: str,
    asked_as: str,
    task_id: str | None,
    body: TaskBody,
    vector_quota: int | None = None,
) -> Task:
    """Accept a task; where there is one of that kind and id already, that one is the answer, as it is.

    Args:
        ports: where.
        tenant_id: whose.
        kind: what sort of task, but for a reindex.
        family: whose line it joins.
        model_id: of the collection that it is for; public tasks go to what is the active one when they are done.
        asked_as: what the request called that model.
        task_id: its id; None makes one.
        body: what is to be done.
        vector_quota: rows that the tenant may hold; None for no limit.

    Raises:
        InvalidInput: `invalid_task_id`, or what is wrong with an object.
        LimitReached: code `backlog_full`.
        NotFound: code `collection_not_found`, unless the task is public.
        TryAgain: nothing was accepted.
    """
    if task_id is not None:
        known = read_task(ports, tenant_id, kind, check_task_id(task_id))
        if known is not None:
            return known
    dataset = None if kind in _PUBLIC else find_collection(ports, tenant_id, family, model_id)
    data, total = encode_body(body, dataset)
    keys, now = FamilyKeys(tenant_id, family.value), ports.clock()
    sha256 = sha256_hex(data)
    body_key = keys.object(new_log_name(now, sha256))
    or_try_again(lambda: ports.objects.put(body_key, data))
    task = Task(
        task_id=task_id or secrets.token_hex(12),
        kind=kind,
        tenant_id=tenant_id,
        family=family,
        model_id=model_id,
        created_at=now,
        updated_at=now,
        asked_as=asked_as,
        body_key=body_key,
        body_sha256=sha256,
        total=total,
        vector_quota=vector_quota,
    )
    stored, _ = join_line(ports, keys, task, size=len(data), writes=put_new)
    try_to_wake_line(ports, keys)
    return stored
