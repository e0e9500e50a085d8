"""Reindexes: a collection filled from that of another model, while both are used."""

from dataclasses import asdict
from typing import Any

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.studio.common import possible_id, read_body, required, without_nulls
from shoal.http.studio.errors import fault, invalid
from shoal.http.studio.known import known_task
from shoal.http.studio.paging import page_of
from shoal.http.studio.reindex_types import ReindexIn
from shoal.http.studio.task_views import Room, common_body, failed_items
from shoal.model.bindings import Family
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.services.model_aliases import resolve_model
from shoal.services.reindex.ending import cancel_reindex
from shoal.services.reindex.estimate import estimate
from shoal.services.reindex.lookup import settings_of
from shoal.services.reindex.progress import child_of, failed_of, progress_of
from shoal.services.reindex.starting import restart_reindex, start_reindex
from shoal.services.tasks import lookup


def run(context: Context) -> Response:
    """Start a reindex, or tell what it would take. One of the same id that is there already stays what it is."""
    wanted = read_body(ReindexIn, context)
    family = _family_of(wanted)
    if not wanted.dry_run:
        known = known_task(context, TaskKind.REINDEX, wanted.wanted_id)
        if known is not None:
            return _shown(context, known)
    source, dest = _models_of(context, wanted)
    tenant_id = context.principal.tenant_id
    if wanted.dry_run:
        found = estimate(context.ports, tenant_id, family=family, source=source, dest=dest)
        ends = _ends(wanted.source.embedding_model_id, wanted.dest.embedding_model_id)
        return json_response(200, {"dry_run": True, **ends, **asdict(found)})
    share = wanted.max_failed_share
    task = start_reindex(
        context.ports,
        context.deps.registry,
        tenant_id,
        task_id=wanted.wanted_id,
        family=family,
        source=source,
        dest=dest,
        asked_as=(wanted.source.embedding_model_id, wanted.dest.embedding_model_id),
        deploy_as_blue=bool(wanted.deploy_as_blue),
        wait_on_conflict=bool(wanted.wait_on_conflict),
        replace=bool(wanted.replace),
        max_failed_share=context.deps.reindex_failed_share if share is None else share,
        vector_quota=context.principal.vector_quota,
    )
    return _shown(context, task)


def get(context: Context) -> Response:
    """Show a reindex that the path names, or one of its sub-tasks."""
    return _answer(context, context.parameters["task_id"])


def info(context: Context) -> Response:
    """Show a reindex that the query string names, or one of its sub-tasks."""
    return _answer(context, required(context, "task_id"))


def list_all(context: Context) -> Response:
    """List reindexes, oldest first."""
    page = page_of(context)
    found = lookup.list_tasks(
        context.ports,
        context.principal.tenant_id,
        TaskKind.REINDEX,
        offset=page.offset,
        limit=page.limit,
        status=page.status,
    )
    room = Room()
    return json_response(200, [_body(context, task, room) for task in found])


def restart(context: Context) -> Response:
    """Have a reindex that has ended done again, from its beginning."""
    task_id = possible_id(required(context, "task_id"))
    return _shown(context, restart_reindex(context.ports, context.principal.tenant_id, task_id))


def cancel(context: Context) -> Response:
    """End a reindex that has not ended: the source stays as it is, and what was made is thrown away."""
    task_id = possible_id(required(context, "task_id"))
    return _shown(context, cancel_reindex(context.ports, context.principal.tenant_id, task_id))


def _answer(context: Context, task_id: str) -> Response:
    ports, tenant_id = context.ports, context.principal.tenant_id
    task_id = possible_id(task_id)
    try:
        return _shown(context, lookup.get_task(ports, tenant_id, (TaskKind.REINDEX,), task_id))
    except NotFound:
        child = child_of(ports, tenant_id, task_id)
        if child is None:
            raise
    return json_response(200, _child_body(child))


def _family_of(wanted: ReindexIn) -> Family:
    """The family of both collections.

    Raises:
        InvalidInput: they are said to be of different ones.
    """
    told = {
        "family": wanted.family,
        "source.family": wanted.source.family,
        "dest.family": wanted.dest.family,
    }
    named = {where: family for where, family in told.items() if family is not None}
    family = next(iter(named.values()), Family.ITEMS.value)
    faults = [
        fault("other_family", ["body", *where.split(".")], f"Should be {family}, as the others")
        for where, other in named.items()
        if other != family
    ]
    if faults:
        raise invalid(faults)
    return Family(family)


def _models_of(context: Context, wanted: ReindexIn) -> tuple[EmbeddingModel, EmbeddingModel]:
    """The models of source and destination.

    Raises:
        InvalidInput: they are the same.
        NotFound: `model_not_found`: says of both, where neither is there.
    """
    found, missing = [], []
    for name, end in (("source", wanted.source), ("dest", wanted.dest)):
        try:
            model = resolve_model(
                context.ports, context.deps.registry, context.principal.tenant_id, end.embedding_model_id
            )
        except NotFound as error:
            missing.append(f"{name}: {error.message}")
        else:
            found.append(model)
    if missing:
        raise NotFound("model_not_found", "; ".join(missing))
    source, dest = found
    if source.model_id == dest.model_id:
        where = ["body", "dest", "embedding_model_id"]
        message = f"Should be another model than the source, which is {source.model_id} as well"
        raise invalid([fault("reindex_onto_itself", where, message)])
    return source, dest


def _shown(context: Context, task: Task) -> Response:
    return json_response(200, _body(context, task, Room()))


def _body(context: Context, task: Task, room: Room) -> dict[str, Any]:
    at = progress_of(context.ports, task)
    failures = failed_of(context.ports, task) if at.failed else []
    asked = settings_of(task)
    return without_nulls(
        common_body(task)
        | _ends(asked.source_asked_as, task.asked_as)
        | {
            "deploy_as_blue": asked.deploy_as_blue,
            "wait_on_conflict": asked.wait_on_conflict,
            "progress": _share(task, at.count, at.total),
            "count": at.count,
            "total": at.total,
            "truncated": at.truncated or None,
            "stage": at.stage,
            "children": at.children if room.take(at.children) else [],
            "failed": at.failed,
            "failed_items": failed_items(failures, room),
        }
    )


def _child_body(child: Task) -> dict[str, Any]:
    return without_nulls(
        common_body(child)
        | {
            "progress": _share(child, child.processed, child.total),
            "count": child.processed,
            "total": child.total,
        }
    )


def _share(task: Task, count: int, total: int | None) -> float:
    if task.status is TaskStatus.DONE:
        return 1.0
    return round(min(count / total, 1.0), 4) if total else 0.0


def _ends(source: str, dest: str) -> dict[str, Any]:
    return {"source": {"embedding_model_id": source}, "dest": {"embedding_model_id": dest}}
