"""Routes of the query function. Their handlers are imported with the first call, by that function alone:
numpy and hnswlib are most of a cold start, and the other functions only need to know that these paths exist.
"""

from shoal.http.context import Context
from shoal.http.native.types import FetchIn, FetchResult, QueryByPath, QueryIn, QueryResult, RecordOut
from shoal.http.native.vectors import ID
from shoal.http.response import Response
from shoal.http.router import Answer, Parameter, Route
from shoal.model.tenants import Scope

QUERY_FUNCTION = "query"
_QUERY_ERRORS = {
    400: "invalid_request, dimension_mismatch, top_k_out_of_range, nprobe_out_of_range, response_too_large",
    404: "dataset_not_found",
    429: "query_quota_exceeded, rate_limited",
}
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


def _fetch_many(context: Context) -> Response:
    from shoal.http.native.fetch import fetch_many

    return fetch_many(context)


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
        answers={200: Answer("Those found, those missing, and those left for another request.", FetchResult)},
        errors={400: "invalid_request", 404: "dataset_not_found"},
        request=FetchIn,
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
        errors={404: "not_found, dataset_not_found"},
        parameters=(ID, Parameter("include_values", "Whether to answer with the values too.", "boolean")),
        function=QUERY_FUNCTION,
    ),
)
