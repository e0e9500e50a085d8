"""Embedding models: which there are, and the tenant's own names of them."""

from typing import Any

from shoal.http.context import Context
from shoal.http.native.common import parse_body
from shoal.http.native.model_types import AliasIn, AliasList, AliasOut, ModelList
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.tenants import Scope
from shoal.services import model_aliases

_ALIAS = "/v1/model-aliases/{alias+}"
"""Models of other services have slashes in their names."""


def list_models(context: Context) -> Response:
    """List the embedding models of the deployment."""
    registry = context.deps.registry
    shown = [_body(model, default=name == registry.default) for name, model in registry.items()]
    return json_response(200, {"models": shown})


def list_aliases(context: Context) -> Response:
    """List the tenant's own names of models."""
    found = model_aliases.list_aliases(context.ports, context.principal.tenant_id)
    return json_response(200, {"aliases": found})


def set_alias(context: Context) -> Response:
    """Have a name stand for a model from now on, wherever a model is named."""
    alias = context.parameters["alias"]
    model_id = parse_body(AliasIn, context.body()).embedding_model_id
    model_aliases.set_alias(
        context.ports, context.deps.registry, context.principal.tenant_id, alias, model_id
    )
    return json_response(200, {"alias": alias, "embedding_model_id": model_id})


def drop_alias(context: Context) -> Response:
    """Forget a name; what was made under it stays as it is."""
    model_aliases.drop_alias(context.ports, context.principal.tenant_id, context.parameters["alias"])
    return Response(204)


def _body(model: EmbeddingModel, *, default: bool) -> dict[str, Any]:
    return {
        "embedding_model_id": model.model_id,
        "provider": model.provider.value,
        "dimension": model.dimension,
        "metric": model.metric.value,
        "max_tokens": model.max_tokens,
        "price": model.price,
        "default": default,
    }


ROUTES = (
    Route(
        "GET",
        "/v1/models",
        list_models,
        Scope.READ,
        "List embedding models",
        "models",
        answers={200: Answer("The models of the deployment.", ModelList)},
    ),
    Route(
        "GET",
        "/v1/model-aliases",
        list_aliases,
        Scope.READ,
        "List names of embedding models",
        "models",
        answers={200: Answer("The tenant's own names of models.", AliasList)},
    ),
    Route(
        "PUT",
        _ALIAS,
        set_alias,
        Scope.ADMIN,
        "Name an embedding model",
        "models",
        answers={200: Answer("The name stands for the model from now on.", AliasOut)},
        errors={
            400: "invalid_alias, invalid_request",
            404: "model_not_found",
            409: "too_many_aliases",
        },
        request=AliasIn,
    ),
    Route(
        "DELETE",
        _ALIAS,
        drop_alias,
        Scope.ADMIN,
        "Forget a name of an embedding model",
        "models",
        answers={204: Answer("Forgotten; what was made under it stays as it is.")},
        errors={404: "alias_not_found"},
    ),
)
