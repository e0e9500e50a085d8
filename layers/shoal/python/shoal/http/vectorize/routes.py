"""Every route of the dialect. Handlers of the query function are imported with its first call."""

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Answer, Handler, Parameter, Route
from shoal.http.vectorize import indexes, metadata_indexes, mutations
from shoal.http.vectorize.common import PREFIX
from shoal.http.vectorize.envelope import UNROUTED, Fault, answer_error
from shoal.model.tenants import Scope

_ONE = f"{PREFIX}/{{index_name}}"
_TAG = "vectorize"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _query(context: Context) -> Response:
    from shoal.http.vectorize.query import query

    return query(context)


def _get_by_ids(context: Context) -> Response:
    from shoal.http.vectorize.records import get_by_ids

    return get_by_ids(context)


def _list(context: Context) -> Response:
    from shoal.http.vectorize.records import list_ids

    return list_ids(context)


def _unrouted(context: Context) -> Response:
    path = context.request.path
    raise Fault(404, UNROUTED, f"Could not route to {path}, perhaps your object identifier is invalid?")


def _route(
    method: str,
    path: str,
    handler: Handler,
    scope: Scope,
    summary: str,
    *,
    result: str,
    function: str = "api",
    request_type: str = "application/json",
    parameters: tuple[Parameter, ...] = (),
) -> Route:
    return Route(
        method,
        path,
        handler,
        scope,
        summary,
        _TAG,
        answers={200: Answer(f"`result`: {result}")},
        errors={
            400: "codes 3001 to 3003 and 40004 to 40026",
            404: "3000, 7003",
            410: "3005: the index was deleted",
            429: "40041",
        },
        request_type=request_type,
        parameters=parameters,
        function=function,
        answer_error=answer_error,
    )


_BEHAVIOUR = (Parameter("unparsable-behavior", "What happens to bad lines: `error` (default) or `discard`."),)
_UPLOADED = "`mutationId`, which `info` names once it can be queried"
_NDJSON = "application/x-ndjson"

ROUTES: tuple[Route, ...] = (
    _route("POST", PREFIX, indexes.create, Scope.WRITE, "Create an index", result="the index"),
    _route("GET", PREFIX, indexes.list_all, Scope.READ, "List indexes", result="the indexes"),
    _route("GET", _ONE, indexes.get, Scope.READ, "Show an index", result="the index"),
    _route("DELETE", _ONE, indexes.delete, Scope.WRITE, "Delete an index", result="null"),
    _route("GET", f"{_ONE}/info", indexes.info, Scope.READ, "Show how far an index is", result="its figures"),
    _route(
        "POST",
        f"{_ONE}/insert",
        mutations.insert,
        Scope.WRITE,
        "Insert vectors whose ids are new",
        result=_UPLOADED,
        request_type=_NDJSON,
        parameters=_BEHAVIOUR,
    ),
    _route(
        "POST",
        f"{_ONE}/upsert",
        mutations.upsert,
        Scope.WRITE,
        "Upsert vectors",
        result=_UPLOADED,
        request_type=_NDJSON,
        parameters=_BEHAVIOUR,
    ),
    _route(
        "POST",
        f"{_ONE}/query",
        _query,
        Scope.READ,
        "Query an index by a vector or an id",
        result="`count` and `matches`",
        function="query",
    ),
    _route(
        "POST",
        f"{_ONE}/get_by_ids",
        _get_by_ids,
        Scope.READ,
        "Read vectors by id",
        result="the vectors that exist",
        function="query",
    ),
    _route(
        "POST",
        f"{_ONE}/delete_by_ids",
        mutations.delete_by_ids,
        Scope.WRITE,
        "Delete vectors by id",
        result="`mutationId`",
    ),
    _route(
        "GET",
        f"{_ONE}/list",
        _list,
        Scope.READ,
        "List the ids of an index",
        result="a page of ids",
        function="query",
        parameters=(
            Parameter("count", "Ids of the page: 1 to 1000; 100 where it is left out.", "integer"),
            Parameter("cursor", "`nextCursor` of the page before."),
        ),
    ),
    _route(
        "POST",
        f"{_ONE}/metadata_index/create",
        metadata_indexes.create,
        Scope.WRITE,
        "Let filters name a property",
        result="`mutationId`",
    ),
    _route(
        "GET",
        f"{_ONE}/metadata_index/list",
        metadata_indexes.list_all,
        Scope.READ,
        "List the properties that filters may name",
        result="`metadataIndexes`",
    ),
    _route(
        "POST",
        f"{_ONE}/metadata_index/delete",
        metadata_indexes.delete,
        Scope.WRITE,
        "Let filters name a property no more",
        result="`mutationId`",
    ),
    *(
        Route(
            method,
            "/client/v4/{rest+}",
            _unrouted,
            None,
            "Unknown",
            _TAG,
            answers={},
            answer_error=answer_error,
            rate_limited=False,
            listed=False,
        )
        for method in _METHODS
    ),
)
"""The last ones answer what is unknown, in the envelope."""
