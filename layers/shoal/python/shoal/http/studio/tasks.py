"""Tasks that store and delete objects: in the active collection of a family, or in that of a named model."""

from dataclasses import dataclass
from typing import Any

from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.studio.common import INTERNAL, PREFIX, possible_id, read_body, required
from shoal.http.studio.known import known_task
from shoal.http.studio.paging import page_of
from shoal.http.studio.task_types import (
    DeletionIn,
    DeletionOut,
    InternalDeletionIn,
    InternalUpsertionIn,
    TaskOut,
    UpsertionIn,
    UpsertionOut,
)
from shoal.http.studio.task_views import Room, deletion_body, upsertion_body
from shoal.model.bindings import Family
from shoal.model.tasks import Task, TaskKind
from shoal.model.tenants import Scope
from shoal.services.collections.blue import ensure_blue
from shoal.services.collections.catalog import find_collection
from shoal.services.model_aliases import resolve_model
from shoal.services.tasks import lookup
from shoal.services.tasks.accept import accept
from shoal.services.tasks.bodies import DeleteBody, TaskBody, UpsertBody

DELETIONS = (TaskKind.DELETION, TaskKind.INTERNAL_DELETION)


@dataclass(frozen=True, slots=True)
class Tasks:
    """One sort of tasks: where it lies, and the forms of its requests and answers.

    `reading` and `writing` are the scopes that a key needs.
    """

    path: str
    kind: TaskKind
    noun: str
    request: type[UpsertionIn | DeletionIn]
    answer: type[TaskOut]
    reading: Scope = Scope.READ
    writing: Scope = Scope.WRITE


SORTS = (
    Tasks(f"{PREFIX}/embeddings/upsertion-tasks", TaskKind.UPSERTION, "upsertion", UpsertionIn, UpsertionOut),
    Tasks(f"{PREFIX}/embeddings/deletion-tasks", TaskKind.DELETION, "deletion", DeletionIn, DeletionOut),
    Tasks(
        f"{INTERNAL}/upsertion-tasks",
        TaskKind.INTERNAL_UPSERTION,
        "upsertion into a model's collection",
        InternalUpsertionIn,
        UpsertionOut,
        Scope.ADMIN,
        Scope.ADMIN,
    ),
    Tasks(
        f"{INTERNAL}/deletion-tasks",
        TaskKind.INTERNAL_DELETION,
        "deletion from a model's collection",
        InternalDeletionIn,
        DeletionOut,
        Scope.ADMIN,
        Scope.ADMIN,
    ),
)


def run(context: Context, tasks: Tasks, family: Family) -> Response:
    """Accept a task. One of the same id that is there already is answered as it is, and nothing is done."""
    wanted = read_body(tasks.request, context)
    known = known_task(context, tasks.kind, wanted.wanted_id)
    if known is not None:
        return _shown(context, known)
    model_id, asked_as = _target(context, wanted, family)
    task = accept(
        context.ports,
        context.principal.tenant_id,
        kind=tasks.kind,
        family=family,
        model_id=model_id,
        asked_as=asked_as,
        task_id=wanted.wanted_id,
        body=_work(wanted),
        vector_quota=context.principal.vector_quota,
    )
    return _shown(context, task)


def get(context: Context, tasks: Tasks) -> Response:
    """Show a task that the path names."""
    return _answer(context, tasks, context.parameters["task_id"])


def info(context: Context, tasks: Tasks) -> Response:
    """Show a task that the query string names."""
    return _answer(context, tasks, required(context, "task_id"))


def _answer(context: Context, tasks: Tasks, task_id: str) -> Response:
    tenant_id = context.principal.tenant_id
    return _shown(context, lookup.get_task(context.ports, tenant_id, (tasks.kind,), possible_id(task_id)))


def list_all(context: Context, tasks: Tasks) -> Response:
    """List tasks, oldest first."""
    page = page_of(context)
    found = lookup.list_tasks(
        context.ports,
        context.principal.tenant_id,
        tasks.kind,
        offset=page.offset,
        limit=page.limit,
        status=page.status,
    )
    room = Room()
    return json_response(200, [_body(context, task, room, object_ids=None) for task in found])


def restart(context: Context, tasks: Tasks) -> Response:
    """Have a task that has ended done again."""
    task_id = possible_id(required(context, "task_id"))
    tenant_id = context.principal.tenant_id
    return _shown(context, lookup.restart_task(context.ports, tenant_id, (tasks.kind,), task_id))


def cancel(context: Context, tasks: Tasks) -> Response:
    """End a task that has not ended; what it has done stays done."""
    task_id = possible_id(required(context, "task_id"))
    tenant_id = context.principal.tenant_id
    return _shown(context, lookup.cancel_task(context.ports, tenant_id, (tasks.kind,), task_id))


def _target(context: Context, wanted: UpsertionIn | DeletionIn, family: Family) -> tuple[str, str]:
    """The id of the model on whose collection a task works, and what the request calls it.

    Raises:
        NotFound: `model_not_found`, `collection_not_found`.
    """
    ports, tenant_id, registry = context.ports, context.principal.tenant_id, context.deps.registry
    if not isinstance(wanted, InternalUpsertionIn | InternalDeletionIn):
        return ensure_blue(ports, registry, tenant_id, family).name, ""
    asked_as = wanted.embedding_model_id
    model = resolve_model(ports, registry, tenant_id, asked_as)
    return find_collection(ports, tenant_id, family, model.model_id).name, asked_as


def _work(wanted: UpsertionIn | DeletionIn) -> TaskBody:
    if isinstance(wanted, UpsertionIn):
        return UpsertBody(wanted.objects())
    return DeleteBody(wanted.object_ids)


def _shown(context: Context, task: Task) -> Response:
    object_ids = lookup.object_ids(context.ports, task) if task.kind in DELETIONS else None
    return json_response(200, _body(context, task, Room(), object_ids=object_ids))


def _body(context: Context, task: Task, room: Room, *, object_ids: list[str] | None) -> dict[str, Any]:
    failures = lookup.failed_objects(context.ports, task) if task.failed else []
    if task.kind in DELETIONS:
        return deletion_body(task, failures, context.deps.registry, room, object_ids)
    return upsertion_body(task, failures, context.deps.registry, room)
