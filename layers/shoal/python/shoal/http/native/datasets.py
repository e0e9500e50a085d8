"""Datasets: create, list, get, delete."""

from collections.abc import Mapping
from typing import Any

import orjson

from shoal.errors import InvalidInput, Unauthenticated
from shoal.http.context import Context
from shoal.http.native.common import dataset_name, flag, optional_timestamp, timestamp
from shoal.http.native.types import CreateDataset, DatasetList, DatasetOut
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Parameter, Route
from shoal.model.bindings import Binding
from shoal.model.datasets import NATIVE_SCOPE, DatasetView, check_dimension, check_metric, check_name
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.tenants import Scope
from shoal.services import datasets
from shoal.services.model_aliases import resolve_model


def create(context: Context) -> Response:
    """Create a dataset. The name is judged first, also where the body is no JSON at all (contract)."""
    fields = _object_or_nothing(context.body())
    name = check_name(fields.get("name"))
    if fields.get("embedding_model") is None:
        dimension, binding = check_dimension(fields.get("dimension")), None
        metric = check_metric(fields.get("metric", "l2"))
    else:
        model = _model(context, fields["embedding_model"])
        dimension, binding = _dimension_of(model, fields.get("dimension")), Binding(model.model_id)
        metric = model.metric if fields.get("metric") is None else check_metric(fields["metric"])
    view = datasets.create_dataset(
        context.ports,
        context.principal.tenant_id,
        scope=NATIVE_SCOPE,
        name=name,
        dimension=dimension,
        metric=metric,
        binding=binding,
    )
    return json_response(201, dataset_body(view))


def _model(context: Context, named: Any) -> EmbeddingModel:
    """The model of that id, or the one that the tenant calls so."""
    if not isinstance(named, str):
        raise InvalidInput("invalid_request", "embedding_model: must be a string")
    return resolve_model(context.ports, context.deps.registry, context.principal.tenant_id, named)


def _dimension_of(model: EmbeddingModel, given: Any) -> int:
    """The model's dimension, which a given one must not contradict."""
    if given is not None and check_dimension(given) != model.dimension:
        raise InvalidInput(
            "invalid_dimension",
            f"dimension must be {model.dimension}, as {model.model_id} makes vectors of it; or leave it out",
            {"expected": model.dimension, "got": given},
        )
    return model.dimension


def list_all(context: Context) -> Response:
    """List all datasets."""
    views = datasets.list_datasets(context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE)
    return json_response(200, {"datasets": [dataset_body(view) for view in views]})


def get(context: Context) -> Response:
    """Show one dataset."""
    name = dataset_name(context)
    view = datasets.get_dataset(context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE, name=name)
    return json_response(200, dataset_body(view))


def delete(context: Context) -> Response:
    """Delete a dataset; its name is free at once. With `force` the aliases that point at it go, too."""
    name, force = dataset_name(context), flag(context, "force")
    if force and not context.principal.may(Scope.ADMIN):
        raise Unauthenticated("forbidden", f"to delete with force, the API key needs the scope {Scope.ADMIN}")
    datasets.delete_dataset(
        context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE, name=name, force=force
    )
    return Response(204)


def _object_or_nothing(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def dataset_body(view: DatasetView) -> dict[str, Any]:
    """A dataset as it is shown."""
    return {
        "name": view.dataset.name,
        "dimension": view.dataset.dimension,
        "metric": view.dataset.metric.value,
        "status": view.status,
        "row_count": view.head.row_count,
        "created_at": timestamp(view.dataset.created_at),
        "last_indexed_at": optional_timestamp(view.head.last_indexed_at),
        "error_message": view.head.error_message,
        "recall": recall_body(view.head.recall),
        "embedding_model": view.dataset.binding.model_id if view.dataset.binding else None,
        "aliases": list(view.aliases),
    }


def recall_body(measured: Mapping[str, float | int | None] | None) -> dict[str, Any] | None:
    """What calibration promises; None where every query so far is exact, or nothing was measured."""
    if measured is None:
        return None
    return {
        "target": measured["target"],
        "measured": measured["measured"],
        "probes": measured.get("probes"),
        "ef": measured.get("ef"),
        "sampled_at": optional_timestamp(measured["sampled_at"]),
    }


ROUTES = (
    Route(
        "POST",
        "/v1/datasets",
        create,
        Scope.WRITE,
        "Create a dataset",
        "datasets",
        answers={201: Answer("Created, empty.", DatasetOut)},
        errors={
            400: "invalid_name, invalid_dimension, invalid_metric",
            404: "model_not_found",
            409: "dataset_exists",
        },
        request=CreateDataset,
    ),
    Route(
        "GET",
        "/v1/datasets",
        list_all,
        Scope.READ,
        "List datasets",
        "datasets",
        answers={200: Answer("All of the tenant's datasets.", DatasetList)},
    ),
    Route(
        "GET",
        "/v1/datasets/{name}",
        get,
        Scope.READ,
        "Show a dataset",
        "datasets",
        answers={200: Answer("The dataset with its status.", DatasetOut)},
        errors={404: "dataset_not_found"},
    ),
    Route(
        "DELETE",
        "/v1/datasets/{name}",
        delete,
        Scope.WRITE,
        "Delete a dataset",
        "datasets",
        answers={204: Answer("Gone; the name can be used again.")},
        errors={
            400: "invalid_request",
            404: "dataset_not_found",
            409: "alias_target: aliases point at it, `details` names them; is_alias: the name is one itself",
        },
        parameters=(
            Parameter(
                "force",
                "Whether to delete it also where aliases point at it, and those with it; needs the scope `admin`.",
                "boolean",
            ),
        ),
    ),
)
