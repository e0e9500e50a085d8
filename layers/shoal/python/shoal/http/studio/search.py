"""Routes of searches, which the query function serves. Their handlers are imported with the first call, by that
function alone: numpy and hnswlib are most of a cold start, and the others only have to know these paths.
"""

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Answer, Handler, Route
from shoal.http.studio.collection_routes import path_of
from shoal.http.studio.common import PREFIX
from shoal.http.studio.errors import studio_error
from shoal.http.studio.search_types import (
    CountOut,
    FindByIds,
    FindSimilar,
    FoundObjectsOut,
    ObjectsOut,
    PayloadCount,
    PayloadSearch,
    SearchOut,
    SimilaritySearch,
)
from shoal.model.bindings import Family
from shoal.model.tenants import Scope

_FUNCTION = "query"
_TAG = "embedding studio: search"
_NO_BLUE = {404: "Model is not initialized yet."}
_UNKNOWN = {404: "Collection with id=... does not exist"}
_QUOTA = {429: "query_quota_exceeded, token_cap_reached, rate_limited"}
_FOUND = {200: Answer("The objects found, nearest first or as sorted.", SearchOut)}


def _similarity_search(context: Context) -> Response:
    from shoal.http.studio.searching import similarity_search

    return similarity_search(context)


def _payload_search(context: Context) -> Response:
    from shoal.http.studio.searching import payload_search

    return payload_search(context)


def _payload_count(context: Context) -> Response:
    from shoal.http.studio.searching import payload_count

    return payload_count(context)


def _find_by_ids(family: Family) -> Handler:
    def handle(context: Context) -> Response:
        from shoal.http.studio.objects import find_by_ids

        return find_by_ids(context, family)

    return handle


def _find_similar(family: Family) -> Handler:
    def handle(context: Context) -> Response:
        from shoal.http.studio.objects import find_similar

        return find_similar(context, family)

    return handle


def search_routes() -> list[Route]:
    """The routes of searches in the active collection, and of looks into any of them."""
    return [
        Route(
            "POST",
            f"{PREFIX}/embeddings/similarity-search",
            _similarity_search,
            Scope.READ,
            "Search by meaning",
            _TAG,
            answers=_FOUND,
            errors=_NO_BLUE | _QUOTA,
            request=SimilaritySearch,
            function=_FUNCTION,
            answer_error=studio_error,
        ),
        Route(
            "POST",
            f"{PREFIX}/embeddings/payload-search",
            _payload_search,
            Scope.READ,
            "Search by payload",
            _TAG,
            answers=_FOUND,
            errors=_NO_BLUE,
            request=PayloadSearch,
            function=_FUNCTION,
            answer_error=studio_error,
        ),
        Route(
            "POST",
            f"{PREFIX}/embeddings/payload-count",
            _payload_count,
            Scope.READ,
            "Count by payload",
            _TAG,
            answers={200: Answer("The exact number.", CountOut)},
            errors=_NO_BLUE,
            request=PayloadCount,
            function=_FUNCTION,
            answer_error=studio_error,
        ),
        *_routes_of(Family.ITEMS),
        *_routes_of(Family.CATEGORIES),
    ]


def _routes_of(family: Family) -> list[Route]:
    of = "" if family is Family.ITEMS else " of categories"
    return [
        Route(
            "POST",
            f"{path_of(family)}/objects/find-by-ids",
            _find_by_ids(family),
            Scope.ADMIN,
            f"Read objects{of} by id",
            _TAG,
            answers={200: Answer("Those that there are.", ObjectsOut)},
            errors=_UNKNOWN,
            request=FindByIds,
            function=_FUNCTION,
            answer_error=studio_error,
        ),
        Route(
            "POST",
            f"{path_of(family)}/objects/find-similar",
            _find_similar(family),
            Scope.ADMIN,
            f"Search objects{of} by a vector or a text",
            _TAG,
            answers={200: Answer("The nearest objects.", FoundObjectsOut)},
            errors=_UNKNOWN | _QUOTA,
            request=FindSimilar,
            function=_FUNCTION,
            answer_error=studio_error,
        ),
    ]
