"""Every route of the dialect of Sanity, all served by one function: most of them read documents, or embed.

Their handlers are imported with the first call, by that function alone: what reads and embeds is most of a cold
start, and the others only have to know these paths.
"""

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Answer, Handler, Parameter, Route
from shoal.http.sanity.document_routes import DOCUMENT_ROUTES
from shoal.http.sanity.errors import sanity_error
from shoal.http.sanity.index_types import (
    CreateIndex,
    Enabled,
    Failures,
    FoundList,
    IndexCreated,
    IndexList,
    IndexOut,
    QueryIndex,
)
from shoal.http.sanity.project import VERSION_PREFIX, project_route
from shoal.http.sanity.webhook_types import WebhookAnswer
from shoal.model.tenants import Scope

PREFIX = f"{VERSION_PREFIX}/embeddings-index"
_DATASET = PREFIX + "/{dataset}"
_INDEX = _DATASET + "/{index_name}"
_TAG = "sanity: embeddings indexes"
_BAD_DATASET = "invalid_dataset"
_UNKNOWN_DATASET = "dataset_not_found"
_UNKNOWN_INDEX = "dataset_not_found, index_not_found"


def _status(context: Context) -> Response:
    from shoal.http.sanity.indexes import status

    return status(context)


def _create(context: Context) -> Response:
    from shoal.http.sanity.indexes import create

    return create(context)


def _list(context: Context) -> Response:
    from shoal.http.sanity.indexes import list_all

    return list_all(context)


def _get(context: Context) -> Response:
    from shoal.http.sanity.indexes import get

    return get(context)


def _delete(context: Context) -> Response:
    from shoal.http.sanity.indexes import delete

    return delete(context)


def _query(context: Context) -> Response:
    from shoal.http.sanity.query import query

    return query(context)


def _failures(context: Context) -> Response:
    from shoal.http.sanity.failures import failures

    return failures(context)


def _webhook(context: Context) -> Response:
    from shoal.http.sanity.webhooks import receive

    return receive(context)


def _route(
    method: str,
    template: str,
    handler: Handler,
    scope: Scope,
    summary: str,
    *,
    answer: Answer,
    errors: dict[int, str],
    request: type[CreateIndex | QueryIndex] | None = None,
    parameters: tuple[Parameter, ...] = (),
) -> Route:
    return project_route(
        method,
        template,
        handler,
        scope,
        summary,
        _TAG,
        answers={200: answer},
        errors=errors,
        request=request,
        parameters=parameters,
    )


ROUTES: tuple[Route, ...] = (
    *DOCUMENT_ROUTES,
    # Before the list of a dataset's indexes: none can be called so.
    _route(
        "GET",
        f"{PREFIX}/status",
        _status,
        Scope.READ,
        "Are there embeddings indexes?",
        answer=Answer("There are.", Enabled),
        errors={},
    ),
    _route(
        "POST",
        PREFIX + "/query/{dataset}/{index_name}",
        _query,
        Scope.READ,
        "Find the documents nearest to a text",
        answer=Answer("What was found; an empty list where nothing was.", FoundList),
        errors={
            400: f"{_BAD_DATASET}, invalid_query, invalid_max_results, invalid_filter, text_too_long",
            404: f"{_UNKNOWN_INDEX}; no_matches: nothing was found, with the header x-shoal-strict: 1",
            429: "query_quota_exceeded, token_cap_reached",
        },
        request=QueryIndex,
    ),
    _route(
        "POST",
        _DATASET,
        _create,
        Scope.WRITE,
        "Make an index of a dataset",
        answer=Answer("It is made, and being built.", IndexCreated),
        errors={
            400: f"{_BAD_DATASET}, invalid_request, invalid_index_name, invalid_filter, invalid_projection, "
            "invalid_groq: with the position",
            409: "index_exists, too_many_indexes",
            429: "vector_quota_exceeded",
        },
        request=CreateIndex,
    ),
    _route(
        "GET",
        _DATASET,
        _list,
        Scope.READ,
        "List the indexes of a dataset",
        answer=Answer("The indexes.", IndexList),
        errors={400: _BAD_DATASET, 404: _UNKNOWN_DATASET},
    ),
    _route(
        "GET",
        _INDEX,
        _get,
        Scope.READ,
        "Show an index",
        answer=Answer("The index.", IndexOut),
        errors={400: _BAD_DATASET, 404: _UNKNOWN_INDEX},
    ),
    _route(
        "DELETE",
        _INDEX,
        _delete,
        Scope.WRITE,
        "Delete an index",
        answer=Answer("The index as it was.", IndexOut),
        errors={400: _BAD_DATASET, 404: _UNKNOWN_INDEX},
    ),
    _route(
        "GET",
        f"{_INDEX}/failures",
        _failures,
        Scope.READ,
        "List the documents that could not be embedded",
        answer=Answer("A page of them.", Failures),
        errors={400: f"{_BAD_DATASET}, invalid_request", 404: _UNKNOWN_INDEX},
        parameters=(
            Parameter("limit", "Of one page: 1 to 1000, or else 100.", "integer"),
            Parameter("after", "Where to go on: `next` of the page before."),
        ),
    ),
    Route(
        "POST",
        "/webhooks/sanity/{webhook_id}",
        _webhook,
        None,
        "Tell of a document that was created, changed or deleted",
        "sanity: webhooks",
        answers={200: Answer("It is kept, or ignored: a draft, or a version of a release.", WebhookAnswer)},
        errors={
            400: "invalid_request, invalid_document: no _id or _type",
            401: "signature_missing, signature_malformed, signature_invalid, signature_expired: older than five "
            "minutes",
            404: "webhook_not_found",
            413: "document_too_large",
            429: "backlog_full, vector_quota_exceeded",
        },
        function="content",
        answer_error=sanity_error,
    ),
)
