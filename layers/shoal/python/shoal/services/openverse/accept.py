"""Accepting tasks. What can be done at once is; of the rest the beginning is made, and a workflow does it.

A long task is stored before anything is begun, and says then already what is to be begun, so that whoever finds it
without a workflow goes on with the same.
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shoal.errors import Conflict, LimitReached, NotFound, RequestError, ShoalError
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.ids import new_derivation_id
from shoal.model.openverse import (
    SCOPE,
    Action,
    OpenverseTask,
    filtered_name,
    index_name,
)
from shoal.model.openverse_requests import used_fields
from shoal.model.openverse_times import parse_moment
from shoal.services.datasets import resolve
from shoal.services.derived.starting import source_named
from shoal.services.openverse.deriving import begin_derivation
from shoal.services.openverse.lookup import find_index, name_taken_by
from shoal.services.openverse.quick import Outcome, delete_index, point_alias, refused
from shoal.services.openverse.tasks import ended, finish_task, put_new
from shoal.services.sources import find_source
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Source:
    """What an index is made of, by scope and name."""

    scope: str
    name: str


def accept(
    ports: Ports, tenant_id: str, body: Mapping[str, Any], *, vector_quota: int | None
) -> OpenverseTask:
    """Accept a task, whatever becomes of it: it is running, or it has ended already, also in failure.

    Args:
        ports: where.
        tenant_id: whose.
        body: the request, without faults (`model.openverse_requests`).
        vector_quota: rows that the tenant may hold; None for no limit.

    Raises:
        TryAgain, StorageBusy: nothing was begun that does not go on by itself.
    """
    task = _task_of(ports, tenant_id, body, vector_quota)
    if task.action.quick:
        return _stored_ended(ports, task, _done_at_once(ports, task))
    planned = _planned(ports, task)
    if isinstance(planned, Outcome):
        return _stored_ended(ports, task, planned)
    put_new(ports, planned)
    if planned.run_id is not None and planned.action is not Action.INGEST_UPSTREAM:
        try:
            begin_derivation(ports, planned)
        except (Conflict, NotFound, LimitReached) as error:
            return finish_task(ports, planned, failed=True, detail=error.message)
    _set_going(ports, planned)
    return planned


def _task_of(
    ports: Ports, tenant_id: str, body: Mapping[str, Any], vector_quota: int | None
) -> OpenverseTask:
    url = body.get("callback_url")
    told = None
    if url is not None and not isinstance(url, str):
        told = "callback_url must be a text; nobody will be called"
    return OpenverseTask(
        task_id=uuid.uuid4().hex,
        tenant_id=tenant_id,
        action=Action(body["action"]),
        model=str(body["model"]),
        created_at=ports.clock(),
        request={name: _storable(value) for name, value in used_fields(body).items()},
        callback_url=_storable(url) if isinstance(url, str) and url.strip() else None,
        detail=told,
        vector_quota=vector_quota,
    )


def _storable(value: Any) -> Any:
    """A value as the table holds it: JSON may have halves of characters."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


# --- at once


def _done_at_once(ports: Ports, task: OpenverseTask) -> Outcome:
    request = task.request
    if task.action is Action.DELETE_INDEX:
        name = request["alias"] if "alias" in request else index_name(task.model, request["index_suffix"])
        return delete_index(ports, task.tenant_id, name=name, force=request.get("force_delete", False))
    # There is no second copy of the records that would have to be promoted before its index.
    return point_alias(
        ports, task.tenant_id, model=task.model, suffix=request["index_suffix"], alias=request["alias"]
    )


def _stored_ended(ports: Ports, task: OpenverseTask, outcome: Outcome) -> OpenverseTask:
    """The task as it has ended, stored."""
    detail = " ".join(filter(None, (outcome.detail, task.detail))) or None
    done = replace(
        task,
        index=outcome.index,
        revision=1,
        **ended(
            task, at=ports.clock(), failed=outcome.failed, bad_request=outcome.bad_request, detail=detail
        ),
    )
    put_new(ports, done)
    if not done.settled:
        _set_going(ports, done)
    return done


# --- long ones


def _planned(ports: Ports, task: OpenverseTask) -> OpenverseTask | Outcome:
    """The task with what it works on and what that is made of; or why it cannot be done."""
    match task.action:
        case Action.UPDATE_INDEX:
            return _planned_update(ports, task)
        case Action.CREATE_AND_POPULATE_FILTERED_INDEX:
            return _planned_filtered(ports, task)
        case _:
            return _planned_new(ports, task)


def _planned_new(ports: Ports, task: OpenverseTask) -> OpenverseTask | Outcome:
    index = index_name(task.model, task.request.get("index_suffix") or task.task_id)
    if task.action is Action.INGEST_UPSTREAM:
        try:
            find_source(ports, task.tenant_id, task.model)
        except NotFound as error:
            return refused(error.message, index=index)
    taken = name_taken_by(ports, task.tenant_id, index)
    if taken is not None:
        return Outcome(failed=True, detail=taken, index=index)
    return _from_records(ports, replace(task, index=index, run_id=_run_id(ports)))


def _planned_update(ports: Ports, task: OpenverseTask) -> OpenverseTask | Outcome:
    name, since = index_name(task.model, task.request["index_suffix"]), task.request["since_date"]
    if parse_moment(since) is None:
        return refused(
            f"since_date is no moment: {since!r:.80}; write it as 2023-11-06 or 2023-11-06T12:00:00Z",
            index=name,
        )
    index = find_index(ports, task.tenant_id, name)
    if index is None:
        return Outcome(failed=True, detail=f"there is no index {name}, or it is not finished yet", index=name)
    return _from_records(ports, replace(task, index=index.name))


def _from_records(ports: Ports, task: OpenverseTask) -> OpenverseTask | Outcome:
    """The task with the tenant's own records as what it takes."""
    try:
        resolve(ports, task.tenant_id, scope=NATIVE_SCOPE, name=task.model)
    except NotFound:
        return Outcome(
            failed=True,
            detail=f"there is no dataset {task.model} to take records from; make it with POST /v1/datasets",
            index=task.index,
        )
    return replace(task, source_scope=NATIVE_SCOPE, source=task.model)


def _planned_filtered(ports: Ports, task: OpenverseTask) -> OpenverseTask | Outcome:
    index = filtered_name(task.model, task.request.get("destination_index_suffix") or task.task_id)
    taken = name_taken_by(ports, task.tenant_id, index)
    if taken is not None:
        return Outcome(failed=True, detail=taken, index=index)
    try:
        source = _source_to_filter(ports, task)
    except RequestError as error:  # there is none, or it is being built itself
        return Outcome(failed=True, detail=error.message, index=index)
    return replace(task, index=index, run_id=_run_id(ports), source_scope=source.scope, source=source.name)


def _source_to_filter(ports: Ports, task: OpenverseTask) -> _Source:
    """What a filtered index is made of: the index that is named as its origin, else its unfiltered twin, where
    there is one, else what the media type is aliased to.

    Raises:
        Conflict: `source_unfinished`.
        NotFound: there is none of these.
    """
    origin, suffix = (task.request.get(f"{part}_index_suffix") for part in ("origin", "destination"))
    for given in filter(None, (origin, suffix)):
        name = index_name(task.model, given)
        try:
            found = source_named(ports, task.tenant_id, scope=SCOPE, name=name)
        except NotFound:
            if given is origin:
                raise NotFound("dataset_not_found", f"there is no index {name} to filter") from None
            continue
        return _Source(found.scope, found.name)
    try:
        found = source_named(ports, task.tenant_id, scope=SCOPE, name=task.model)
    except NotFound:
        also = f" no index {index_name(task.model, suffix)}, and" if suffix else ""
        raise NotFound(
            "dataset_not_found",
            f"there is{also} nothing that the alias {task.model} points at: name the index to filter as "
            "origin_index_suffix",
        ) from None
    return _Source(found.scope, found.name)


def _run_id(ports: Ports) -> str:
    return new_derivation_id(ports.clock())


def _set_going(ports: Ports, task: OpenverseTask) -> None:
    """Start the workflow. The task is accepted whatever becomes of that: the sweep starts what was not."""
    try:
        ports.ingestions.start(task.task_id, {"task_id": task.task_id, "tenant_id": task.tenant_id})
    except ShoalError:
        _log.warning("left to the sweep", extra={"task_id": task.task_id})
