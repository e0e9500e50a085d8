"""Reindexes as they are asked for: checked, stored, and begun where that is possible; or begun once more."""

import logging
import secrets

from shoal.errors import Conflict, InvalidInput, LimitReached, NotFound, ShoalError, TransactionCancelled
from shoal.model.bindings import Family
from shoal.model.embedding_models import EmbeddingModel, ModelRegistry
from shoal.model.ids import new_token, transaction_token
from shoal.model.reindexes import MAX_WAITING, ReindexSettings
from shoal.model.tasks import Task, TaskKind, TaskStatus, check_task_id
from shoal.services.collections.catalog import find_collection
from shoal.services.imports.lifecycle import check_quota
from shoal.services.reindex.beginning import begin, check_dest, find_dest
from shoal.services.reindex.ending import clear
from shoal.services.reindex.lookup import read_reindex, settings_of
from shoal.services.sequence import or_try_again
from shoal.services.tasks.family import FamilyState, read_family, with_waiting
from shoal.services.tasks.items import after_change, change, family_keys_of, put_new
from shoal.storage.keys import FamilyKeys
from shoal.storage.ports import Ports, Write

_log = logging.getLogger(__name__)
_ATTEMPTS = 20
_BUSY_SECONDS = 60


def start_reindex(
    ports: Ports,
    registry: ModelRegistry,
    tenant_id: str,
    *,
    task_id: str | None,
    family: Family,
    source: EmbeddingModel,
    dest: EmbeddingModel,
    asked_as: tuple[str, str],
    deploy_as_blue: bool = False,
    wait_on_conflict: bool = False,
    replace: bool = False,
    max_failed_share: float = 0.0,
    vector_quota: int | None = None,
) -> Task:
    """Have the objects of a model's collection embedded by another model into a collection of that.

    The destination is made where it is not there; `replace` has it made anew where it holds objects. Where another
    reindex is in the way, the task is refused, or waits (`wait_on_conflict`). `asked_as` are the names that the
    request gave the two models. A task of that id which is there already is answered as it is.

    Raises:
        Conflict: `destination_not_empty`, `collection_is_blue`: it cannot be replaced.
        InvalidInput: `reindex_onto_itself`, `invalid_task_id`.
        LimitReached: `too_many_reindexes`: of the family wait already; `vector_quota_exceeded`.
        NotFound: `collection_not_found`: the source; `model_not_found`.
        TryAgain: nothing was started.
    """
    known = read_reindex(ports, tenant_id, check_task_id(task_id)) if task_id is not None else None
    if known is not None:
        return known
    check_ends(source, dest)
    now = ports.clock()
    settings = ReindexSettings(
        source=registry.find(source.model_id).model_id,
        source_asked_as=asked_as[0],
        dest=registry.find(dest.model_id),
        deploy_as_blue=deploy_as_blue,
        wait_on_conflict=wait_on_conflict,
        replace=replace,
        max_failed_share=max_failed_share,
    )
    task = Task(
        task_id=task_id or secrets.token_hex(12),
        kind=TaskKind.REINDEX,
        tenant_id=tenant_id,
        family=family,
        model_id=dest.model_id,
        created_at=now,
        updated_at=now,
        asked_as=asked_as[1],
        settings=settings.stored(),
        vector_quota=vector_quota,
    )
    find_collection(ports, tenant_id, family, source.model_id)
    target = find_dest(ports, task)
    keys = FamilyKeys(tenant_id, family.value)
    if target is None or read_family(ports, keys).pair_of(target.dataset_id) is None:
        check_dest(ports, keys, target, settings)
    check_quota(ports, tenant_id, vector_quota)
    return _begin_if_possible(ports, _stored(ports, task))


def check_ends(source: EmbeddingModel, dest: EmbeddingModel) -> None:
    """See that a reindex leads from one model to another.

    Raises:
        InvalidInput: `reindex_onto_itself`.
    """
    if source.model_id == dest.model_id:
        raise InvalidInput(
            "reindex_onto_itself", f"source and destination are the same collection, of {source.model_id}"
        )


def _stored(ports: Ports, task: Task) -> Task:
    """The task, put on the list of those that wait; or that of the same id which was faster."""
    keys = family_keys_of(task)
    for _ in range(_ATTEMPTS):
        state = read_family(ports, keys)
        _check_waiting(state)
        writes: list[Write] = [*put_new(task), with_waiting(keys, state, task.task_id)]
        token = transaction_token("reindex", new_token())
        try:
            or_try_again(lambda: ports.table.transact(writes, token=token))  # noqa: B023 - called at once
        except TransactionCancelled as lost:
            if not lost.failed[0]:
                continue
            return read_reindex(ports, task.tenant_id, task.task_id) or task
        return task
    raise _busy()


def _check_waiting(state: FamilyState) -> None:
    if len(state.waiting) >= MAX_WAITING:
        raise LimitReached(
            "too_many_reindexes",
            f"{MAX_WAITING} reindexes of the family wait already",
            retry_after=_BUSY_SECONDS,
            details={"limit": MAX_WAITING},
        )


def _busy() -> LimitReached:
    return LimitReached(
        "too_many_reindexes", "others begin and end reindexes all the time", retry_after=_BUSY_SECONDS
    )


def _begin_if_possible(ports: Ports, task: Task) -> Task:
    """Begin a task that is stored; what cannot be done now is done by the sweep."""
    try:
        return begin(ports, task)
    except ShoalError:
        _log.warning("reindex left to the sweep", extra={"task_id": task.task_id})
        return read_reindex(ports, task.tenant_id, task.task_id) or task


def restart_reindex(ports: Ports, tenant_id: str, task_id: str) -> Task:
    """Begin a reindex that has ended once more, from the start: what it has left in its destination is replaced.

    Raises:
        Conflict: `task_not_ended`; `collection_is_blue`: it is done, and what it has made is active.
        LimitReached: `too_many_reindexes`.
        NotFound: `task_not_found`.
        TryAgain: nothing has changed.
    """
    for _ in range(_ATTEMPTS):
        task = read_reindex(ports, tenant_id, task_id)
        if task is None:
            raise NotFound("task_not_found", f"Task with ID `{task_id}` not found")
        if not task.status.terminal:
            raise Conflict("task_not_ended", f"task {task_id} is {task.status.value}; it has not ended yet")
        if task.status is TaskStatus.DONE:  # it stays what it is, where nothing could come of doing it again
            keys, dest = family_keys_of(task), find_dest(ports, task)
            check_dest(ports, keys, dest, settings_of(task).anew())
        or_try_again(lambda: clear(ports, task))  # noqa: B023 - called at once
        keys = family_keys_of(task)
        state = read_family(ports, keys)
        _check_waiting(state)
        now = ports.clock()
        changes = {
            "status": TaskStatus.PENDING,
            "settings": settings_of(task).anew().stored(),
            "attempt": task.attempt + 1,
            "detail": None,
            "total": 0,
            "processed": 0,
            "failed": 0,
            "truncated": 0,
            "tokens": 0,
        }
        writes: list[Write] = [change(task, now=now, **changes), with_waiting(keys, state, task_id)]
        token = transaction_token("restart", new_token())
        try:
            or_try_again(lambda: ports.table.transact(writes, token=token))  # noqa: B023 - called at once
        except TransactionCancelled:
            continue
        return _begin_if_possible(ports, after_change(task, now=now, **changes))
    raise _busy()
