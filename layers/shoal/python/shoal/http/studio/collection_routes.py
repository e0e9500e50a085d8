"""Routes of collections: the same calls for both families, but for the few that know one only."""

from collections.abc import Callable
from typing import Any

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Answer, Handler, Parameter, Route
from shoal.http.studio import collections as calls
from shoal.http.studio.collection_types import Collections, CollectionStateInfo, CreateCollection
from shoal.http.studio.common import INTERNAL
from shoal.http.studio.errors import studio_error
from shoal.http.studio.types import CollectionIn
from shoal.model.bindings import Family
from shoal.model.tenants import Scope

type Call = Callable[[Context, Family], Response]

PATH = f"{INTERNAL}/vectordb/collections"
TAG = "embedding studio: collections"
_STATE = {200: Answer("The collection.", CollectionStateInfo)}
_DONE = {200: Answer("`null`: it is done.")}
_LIST = {200: Answer("The collections.", Collections)}
_UNKNOWN = {404: "Collection with id=... does not exist"}
_NO_MODEL = {404: "Fine tuning iteration with ID[...] does not exist.", 409: "collection_exists"}
_IN_USE = {409: "Blue collection can't be deleted; or the collection is being reindexed"}
_NOT_FOUND = {404: "Collection is not found"}
_BY_QUERY = (Parameter("embedding_model_id", "The collection's model, where the request has no body."),)


def path_of(family: Family) -> str:
    """Where the calls of a family lie."""
    return PATH if family is Family.ITEMS else f"{PATH}/categories"


def _route(method: str, path: str, handler: Handler, summary: str, **more: Any) -> Route:
    return Route(method, path, handler, Scope.ADMIN, summary, TAG, answer_error=studio_error, **more)


def _routes_of(family: Family) -> tuple[Route, ...]:
    of = "" if family is Family.ITEMS else " of categories"

    def post(name: str, call: Call, summary: str, **more: Any) -> Route:
        given = {"request": CollectionIn} | more
        return _route(
            "POST", f"{path_of(family)}/{name}", lambda context: call(context, family), summary, **given
        )

    def get(name: str, call: Call, summary: str, **more: Any) -> Route:
        return _route(
            "GET", f"{path_of(family)}/{name}", lambda context: call(context, family), summary, **more
        )

    return (
        post(
            "create",
            calls.create,
            f"Make a collection{of}",
            answers=_STATE,
            errors=_NO_MODEL,
            request=CreateCollection,
        ),
        post(
            "create-index",
            calls.create_index,
            f"Index a collection{of} (which it is, always)",
            answers=_DONE,
            errors=_UNKNOWN,
        ),
        post(
            "delete",
            calls.delete,
            f"Delete a collection{of}",
            answers=_DONE,
            errors=_UNKNOWN | _IN_USE,
        ),
        post(
            "set-blue",
            calls.set_blue,
            f"Make a collection{of} the active one",
            answers=_STATE,
            errors=_NOT_FOUND,
        ),
        get("list", calls.list_all, f"List the collections{of}", answers=_LIST),
        get(
            "get-info",
            calls.get,
            f"Show a collection{of}",
            answers=_STATE,
            errors=_UNKNOWN,
            request=CollectionIn,
            request_required=False,
            parameters=_BY_QUERY,
        ),
        get(
            "get-blue-info",
            calls.get_blue,
            f"Show the active collection{of}",
            answers=_STATE,
            errors={404: calls.NO_BLUE[family]},
        ),
    )


ROUTES: tuple[Route, ...] = (
    _route(
        "POST",
        f"{INTERNAL}/collections/blue",
        lambda context: calls.set_blue(context, Family.ITEMS),
        "Switch to another embedding model",
        answers=_STATE,
        errors=_NOT_FOUND,
        request=CollectionIn,
    ),
    *_routes_of(Family.ITEMS),
    *_routes_of(Family.CATEGORIES),
    _route(
        "GET",
        f"{PATH}/queries/list",
        calls.list_queries,
        "List the collections of queries (there are none)",
        answers=_LIST,
    ),
    _route(
        "GET",
        f"{PATH}/get-blue-query-info",
        calls.get_blue_query,
        "Show the active collection of queries (there is none)",
        answers=_STATE,
        errors={404: calls.NO_BLUE[Family.ITEMS]},
    ),
)
