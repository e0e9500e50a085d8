"""Objects written to a collection with their vectors, or deleted from it: answered once it is done."""

import struct
from math import isfinite

from shoal.errors import Conflict
from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Answer, Route
from shoal.http.studio.collection_routes import TAG, Call, path_of
from shoal.http.studio.collections import named
from shoal.http.studio.common import NULL, read_body
from shoal.http.studio.errors import fault, invalid, studio_error
from shoal.http.studio.object_write_types import ObjectsToDelete, ObjectsToWrite
from shoal.http.studio.types import CollectionIn
from shoal.model.bindings import Family
from shoal.model.datasets import Dataset, Metric
from shoal.model.tasks import Task, TaskKind, TaskStatus
from shoal.model.tenants import Scope
from shoal.services.tasks import lookup
from shoal.services.tasks.accept import accept
from shoal.services.tasks.bodies import ObjectsBody, Operation
from shoal.services.waiting import look_again

WAIT_SECONDS = 20.0
"""The gateway gives up after 30 s, and what comes before and after the waiting takes its part of that."""
_NOT_YET = Response(202, b"null")
_SHOWN_FAILURES = 3


def upsert(context: Context, family: Family) -> Response:
    """Store objects; those that are there already are replaced."""
    return _write(context, family, "upsert")


def insert(context: Context, family: Family) -> Response:
    """Store objects, but for those that are there already."""
    return _write(context, family, "insert")


def delete(context: Context, family: Family) -> Response:
    """Delete objects."""
    wanted = read_body(ObjectsToDelete, context)
    dataset = named(context, family, wanted)
    return _done(context, family, dataset, wanted, ObjectsBody("delete", object_ids=wanted.object_ids))


def _write(context: Context, family: Family, operation: Operation) -> Response:
    wanted = read_body(ObjectsToWrite, context)
    dataset = named(context, family, wanted)
    faults = [
        fault(kind, ["body", "objects", place, "parts", number, "vector"], message)
        for place, each in enumerate(wanted.objects)
        for number, part in enumerate(each.parts)
        for kind, message in vector_faults(part.vector, dataset)
    ]
    if faults:
        raise invalid(faults)
    return _done(context, family, dataset, wanted, ObjectsBody(operation, objects=wanted.plain()))


def vector_faults(values: list[float], dataset: Dataset) -> list[tuple[str, str]]:
    """What is wrong with a vector for a collection: kinds and messages."""
    if len(values) != dataset.dimension:
        message = (
            f"Should have {dataset.dimension} values, those of the model {dataset.name}, not {len(values)}"
        )
        return [("dimension_mismatch", message)]
    try:
        row = struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values))
    except OverflowError:
        return [("finite_number", "Should hold float32 values only")]
    if not isfinite(sum(row)):
        return [("finite_number", "Should have a finite length")]
    if dataset.metric is Metric.COSINE and not any(row):
        return [("zero_vector", "Should not be zero, which has no cosine")]
    return []


def _done(
    context: Context, family: Family, dataset: Dataset, wanted: CollectionIn, body: ObjectsBody
) -> Response:
    task = accept(
        context.ports,
        context.principal.tenant_id,
        kind=TaskKind.OBJECTS,
        family=family,
        model_id=dataset.name,
        asked_as=wanted.embedding_model_id,
        task_id=None,
        body=body,
        vector_quota=context.principal.vector_quota,
    )
    ended = _wait_for(context, task)
    if ended is None:
        return _NOT_YET
    if ended.status is not TaskStatus.DONE:
        raise Conflict("not_written", ended.detail or f"the objects were not written: {ended.status}")
    if ended.failed:
        raise Conflict("not_all_written", _failures(context, ended))
    return NULL


def _wait_for(context: Context, task: Task) -> Task | None:
    """The task once it has ended; None where that takes too long."""

    def look() -> Task | None:
        found = lookup.get_task(context.ports, task.tenant_id, (task.kind,), task.task_id)
        return found if found.status.terminal else None

    return look_again(look, clock=context.ports.clock, seconds=WAIT_SECONDS, pause=context.deps.pause)


def _failures(context: Context, task: Task) -> str:
    failed = lookup.failed_objects(context.ports, task)
    shown = [f"{each.object_id}: {each.detail}" for each in failed[:_SHOWN_FAILURES]]
    more = [f"and {task.failed - len(shown)} more"] if task.failed > len(shown) else []
    return f"{task.failed} of {task.total} objects were not written: {'; '.join([*shown, *more])}"


def _route(name: str, call: Call, family: Family, summary: str, request: type[CollectionIn]) -> Route:
    return Route(
        "POST",
        f"{path_of(family)}/objects/{name}",
        lambda context: call(context, family),
        Scope.ADMIN,
        summary if family is Family.ITEMS else f"{summary} (categories)",
        TAG,
        answers={
            200: Answer("`null`: it is done, and can be found."),
            202: Answer("`null`: it is safe and will be done, but was not in 20 seconds."),
        },
        errors={
            404: "Collection with id=... does not exist",
            409: "not_written, not_all_written",
            429: "backlog_full, rate_limited",
        },
        request=request,
        answer_error=studio_error,
    )


ROUTES = tuple(
    route
    for family in Family
    for route in (
        _route("insert", insert, family, "Store new objects with their vectors", ObjectsToWrite),
        _route("upsert", upsert, family, "Store objects with their vectors", ObjectsToWrite),
        _route("delete", delete, family, "Delete objects", ObjectsToDelete),
    )
)
