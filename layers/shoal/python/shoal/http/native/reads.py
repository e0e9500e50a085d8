"""Routes of the query function. Their handlers are imported with the first call, by that function alone:
numpy and hnswlib are most of a cold start, and the other functions only need to know that these paths exist.
"""

from collections.abc import Mapping

from shoal.http.context import Context
from shoal.http.native.listing_types import (
    CountResult,
    DatasetNamed,
    ListIn,
    ListNamed,
    ListResult,
    SelectionIn,
    SelectionNamed,
    StatsOut,
)
from shoal.http.native.query_types import QueryByPath, QueryIn, QueryResult
from shoal.http.native.types import Body, FetchIn, FetchNamed, FetchResult, RecordOut
from shoal.http.native.vectors import ID
from shoal.http.response import Response
from shoal.http.router import Answer, Handler, Parameter, Route
from shoal.model.tenants import Scope

QUERY_FUNCTION = "query"
_QUERY_ERRORS = {
    400: "invalid_request, dimension_mismatch, top_k_out_of_range, nprobe_out_of_range, response_too_large, "
    "filter_not_indexed; for a text also no_embedding_model, text_without_tokens, text_too_long",
    404: "dataset_not_found",
    409: "not_indexed_yet: `job_id` or `min_version` was waited for in vain; with Retry-After. "
    "model_access_denied: the embedding model may not be used",
    429: "query_quota_exceeded, rate_limited, token_cap_reached",
    502: "model_failed",
    503: "model_busy, with Retry-After",
}
_LIST_ANSWERS = {200: Answer("A page, and the cursor of the next one.", ListResult)}
_LIST_ERRORS = {
    400: "invalid_limit, invalid_cursor, cursor_expired, invalid_filter, invalid_request",
    404: "dataset_not_found",
}
_COUNT_ANSWERS = {200: Answer("The exact number.", CountResult)}
_COUNT_ERRORS = {400: "invalid_filter, invalid_request", 404: "dataset_not_found"}
_FETCH_ANSWERS = {200: Answer("Those found, those missing, and those left for another request.", FetchResult)}
_FETCH_ERRORS = {400: "invalid_request", 404: "dataset_not_found"}
_STATS_ANSWERS = {200: Answer("The figures of the current version.", StatsOut)}
_STATS_ERRORS = {404: "dataset_not_found"}
_SELECTION = (
    Parameter("filter", "A filter on metadata, as JSON."),
    Parameter("prefix", "How the ids begin."),
    Parameter("namespace", "The namespace; empty for the records that are in none."),
)
_QUERY_ANSWERS = {200: Answer("The nearest records, best first.", QueryResult)}


def _query(context: Context) -> Response:
    from shoal.http.native.query import query

    return query(context)


def _query_by_path(context: Context) -> Response:
    from shoal.http.native.query import query_by_path

    return query_by_path(context)


def _get(context: Context) -> Response:
    from shoal.http.native.fetch import get

    return get(context)


def _list(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.list_by_query(context)


def _list_by_body(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.list_by_body(context)


def _count(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.count_by_query(context)


def _count_by_body(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.count_by_body(context)


def _stats(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.stats(context)


def _stats_named(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.stats_named(context)


def _list_named(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.list_named(context)


def _count_named(context: Context) -> Response:
    from shoal.http.native import listing

    return listing.count_named(context)


def _fetch_many(context: Context) -> Response:
    from shoal.http.native.fetch import fetch_many

    return fetch_many(context)


def _fetch_named(context: Context) -> Response:
    from shoal.http.native.fetch import fetch_named

    return fetch_named(context)


def _named(
    path: str,
    handler: Handler,
    summary: str,
    tag: str,
    request: type[Body],
    *,
    answers: Mapping[int, Answer],
    errors: Mapping[int, str],
) -> Route:
    """A read of the dataset that the body names, as there is one below the dataset's path."""
    return Route(
        "POST",
        path,
        handler,
        Scope.READ,
        summary,
        tag,
        answers=answers,
        errors=errors,
        request=request,
        function=QUERY_FUNCTION,
    )


ROUTES = (
    Route(
        "POST",
        "/v1/query",
        _query,
        Scope.READ,
        "Query a dataset named in the body",
        "query",
        answers=_QUERY_ANSWERS,
        errors=_QUERY_ERRORS,
        request=QueryIn,
        function=QUERY_FUNCTION,
    ),
    Route(
        "POST",
        "/v1/datasets/{name}/query",
        _query_by_path,
        Scope.READ,
        "Query a dataset",
        "query",
        answers=_QUERY_ANSWERS,
        errors=_QUERY_ERRORS,
        request=QueryByPath,
        function=QUERY_FUNCTION,
    ),
    Route(
        "POST",
        "/v1/datasets/{name}/vectors/fetch",
        _fetch_many,
        Scope.READ,
        "Read vectors by id",
        "vectors",
        answers=_FETCH_ANSWERS,
        errors=_FETCH_ERRORS,
        request=FetchIn,
        function=QUERY_FUNCTION,
    ),
    Route(
        "GET",
        "/v1/datasets/{name}/vectors",
        _list,
        Scope.READ,
        "List vectors",
        "vectors",
        answers=_LIST_ANSWERS,
        errors=_LIST_ERRORS,
        parameters=(
            *_SELECTION,
            Parameter("limit", "Records of the page: 1 to 1000; more counts as 1000.", "integer"),
            Parameter("cursor", "`next_cursor` of the page before."),
            Parameter("include_values", "Whether to answer with the values too.", "boolean"),
            Parameter("include_document", "Whether to answer with the documents too.", "boolean"),
        ),
        function=QUERY_FUNCTION,
    ),
    Route(
        "POST",
        "/v1/datasets/{name}/vectors/list",
        _list_by_body,
        Scope.READ,
        "List vectors, by a filter of any size",
        "vectors",
        answers=_LIST_ANSWERS,
        errors=_LIST_ERRORS,
        request=ListIn,
        function=QUERY_FUNCTION,
    ),
    Route(
        "GET",
        "/v1/datasets/{name}/count",
        _count,
        Scope.READ,
        "Count vectors",
        "vectors",
        answers=_COUNT_ANSWERS,
        errors=_COUNT_ERRORS,
        parameters=_SELECTION,
        function=QUERY_FUNCTION,
    ),
    Route(
        "POST",
        "/v1/datasets/{name}/count",
        _count_by_body,
        Scope.READ,
        "Count vectors, by a filter of any size",
        "vectors",
        answers=_COUNT_ANSWERS,
        errors=_COUNT_ERRORS,
        request=SelectionIn,
        request_required=False,
        function=QUERY_FUNCTION,
    ),
    Route(
        "GET",
        "/v1/datasets/{name}/stats",
        _stats,
        Scope.READ,
        "Show a dataset in figures",
        "datasets",
        answers=_STATS_ANSWERS,
        errors=_STATS_ERRORS,
        function=QUERY_FUNCTION,
    ),
    Route(
        "GET",
        "/v1/datasets/{name}/vectors/{id+}",
        _get,
        Scope.READ,
        "Read a vector",
        "vectors",
        answers={200: Answer("The vector.", RecordOut)},
        errors={400: "invalid_request", 404: "not_found, dataset_not_found"},
        parameters=(
            ID,
            Parameter("include_values", "Whether to answer with the values too.", "boolean"),
            Parameter("include_document", "Whether to answer with the document too.", "boolean"),
        ),
        function=QUERY_FUNCTION,
    ),
    _named(
        "/v1/fetch",
        _fetch_named,
        "Read vectors by id of a dataset named in the body",
        "vectors",
        FetchNamed,
        answers=_FETCH_ANSWERS,
        errors=_FETCH_ERRORS,
    ),
    _named(
        "/v1/list",
        _list_named,
        "List vectors of a dataset named in the body",
        "vectors",
        ListNamed,
        answers=_LIST_ANSWERS,
        errors=_LIST_ERRORS,
    ),
    _named(
        "/v1/count",
        _count_named,
        "Count vectors of a dataset named in the body",
        "vectors",
        SelectionNamed,
        answers=_COUNT_ANSWERS,
        errors=_COUNT_ERRORS,
    ),
    _named(
        "/v1/stats",
        _stats_named,
        "Show a dataset named in the body in figures",
        "datasets",
        DatasetNamed,
        answers=_STATS_ANSWERS,
        errors={400: "invalid_request", **_STATS_ERRORS},
    ),
)
