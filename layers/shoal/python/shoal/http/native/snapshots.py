"""Snapshots: name the current version, look, forget; go back to one; clone one into a dataset of its own."""

from typing import Any

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import dataset_of, existing_name, parse_body, timestamp
from shoal.http.native.datasets import dataset_body
from shoal.http.native.snapshot_types import (
    CloneIn,
    CreateSnapshot,
    RestoreAccepted,
    RestoreIn,
    SnapshotList,
    SnapshotOut,
)
from shoal.http.native.types import DatasetOut
from shoal.http.native.written import ACCEPTED_ANSWER, WAIT_PARAMETERS, answer, wait_of
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.datasets import NATIVE_SCOPE, Dataset, check_name
from shoal.model.snapshots import NamedSnapshot, check_snapshot_name
from shoal.model.tenants import Scope
from shoal.services import datasets, snapshots


def create(context: Context) -> Response:
    """Give the current version a name."""
    name = check_snapshot_name(parse_body(CreateSnapshot, context.body()).name)
    dataset = dataset_of(context)
    return json_response(201, _body(dataset, snapshots.create_snapshot(context.ports, dataset, name)))


def list_all(context: Context) -> Response:
    """List the snapshots of a dataset."""
    dataset = dataset_of(context)
    found = snapshots.list_snapshots(context.ports, dataset)
    return json_response(200, {"snapshots": [_body(dataset, named) for named in found]})


def get(context: Context) -> Response:
    """Show one snapshot."""
    dataset, name = dataset_of(context), _existing(context.parameters["snapshot"])
    return json_response(200, _body(dataset, snapshots.get_snapshot(context.ports, dataset, name)))


def delete(context: Context) -> Response:
    """Take the name away; the records of the dataset stay as they are."""
    dataset, name = dataset_of(context), _existing(context.parameters["snapshot"])
    snapshots.delete_snapshot(context.ports, dataset, name)
    return Response(204)


def restore(context: Context) -> Response:
    """Go back to a snapshot."""
    from shoal.services.restore import restore as accept  # here: it takes numpy, a fifth of a second

    wanted, seconds = parse_body(RestoreIn, context.body()), wait_of(context)
    name = _existing(wanted.snapshot)
    dataset = dataset_of(context)
    source = dataset
    if wanted.dataset is not None:
        source = datasets.resolve(
            context.ports,
            context.principal.tenant_id,
            scope=NATIVE_SCOPE,
            name=existing_name(wanted.dataset),
        )
    accepted = accept(
        context.ports, dataset, name, source=source, vector_quota=context.principal.vector_quota
    )
    body = {"dataset": dataset.name, "snapshot": name}
    return answer(context, dataset, accepted, body, seconds=seconds)[0]


def clone(context: Context) -> Response:
    """Make a new dataset of a version of this one."""
    from shoal.services.clone import clone_dataset  # here: few requests need it

    wanted = parse_body(CloneIn, context.body())
    name = check_name(wanted.name)
    snapshot = None if wanted.snapshot is None else _existing(wanted.snapshot)
    view = clone_dataset(
        context.ports,
        dataset_of(context),
        name=name,
        snapshot=snapshot,
        vector_quota=context.principal.vector_quota,
    )
    return json_response(201, dataset_body(view))


def _existing(name: str) -> str:
    """The name, where a snapshot can have it.

    Raises:
        NotFound: code `snapshot_not_found`.
    """
    try:
        return check_snapshot_name(name)
    except InvalidInput as error:
        raise snapshots.snapshot_not_found() from error


def _body(dataset: Dataset, named: NamedSnapshot) -> dict[str, Any]:
    return {
        "name": named.name,
        "dataset": dataset.name,
        "version": named.version,
        "row_count": named.row_count,
        "created_at": timestamp(named.created_at),
    }


_PATH = "/v1/datasets/{name}/snapshots"
_NOT_FOUND = "snapshot_not_found, dataset_not_found"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        Scope.WRITE,
        "Name the current version of a dataset",
        "snapshots",
        answers={201: Answer("Named; it is kept until the name is taken away.", SnapshotOut)},
        errors={
            400: "invalid_request, invalid_name",
            404: "dataset_not_found",
            409: "snapshot_exists, too_many_snapshots",
        },
        request=CreateSnapshot,
    ),
    Route(
        "GET",
        _PATH,
        list_all,
        Scope.READ,
        "List snapshots",
        "snapshots",
        answers={200: Answer("All snapshots of the dataset.", SnapshotList)},
        errors={404: "dataset_not_found"},
    ),
    Route(
        "GET",
        _PATH + "/{snapshot}",
        get,
        Scope.READ,
        "Show a snapshot",
        "snapshots",
        answers={200: Answer("The snapshot.", SnapshotOut)},
        errors={404: _NOT_FOUND},
    ),
    Route(
        "DELETE",
        _PATH + "/{snapshot}",
        delete,
        Scope.WRITE,
        "Delete a snapshot",
        "snapshots",
        answers={204: Answer("Its name is gone; accepted restores and clones of it do not need it.")},
        errors={404: _NOT_FOUND},
    ),
    Route(
        "POST",
        "/v1/datasets/{name}/restore",
        restore,
        Scope.WRITE,
        "Go back to a snapshot",
        "snapshots",
        answers={
            200: Answer("Indexed, or failed with the reason; only where it was waited for.", RestoreAccepted),
            202: Answer(ACCEPTED_ANSWER, RestoreAccepted),
        },
        errors={
            400: "invalid_request, dimension_mismatch, metric_mismatch",
            404: _NOT_FOUND,
            409: "not_related, import_open, dataset_follows",
            429: "vector_quota_exceeded, backlog_full, rate_limited",
        },
        request=RestoreIn,
        parameters=WAIT_PARAMETERS,
    ),
    Route(
        "POST",
        "/v1/datasets/{name}/clone",
        clone,
        Scope.WRITE,
        "Clone a dataset or a snapshot of it",
        "snapshots",
        answers={201: Answer("A dataset of its own, which shares what is stored.", DatasetOut)},
        errors={
            400: "invalid_request, invalid_name",
            404: _NOT_FOUND,
            409: "dataset_exists",
            429: "vector_quota_exceeded, rate_limited",
        },
        request=CloneIn,
    ),
)
