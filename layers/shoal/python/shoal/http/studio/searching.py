"""Searches in the active collection: by meaning, by payload, and counts."""

from typing import Any
from uuid import uuid4

import orjson

from shoal.http.context import Context
from shoal.http.response import Response, json_response
from shoal.http.studio.answering import (
    VERSION_HEADER,
    check_reach,
    counted,
    faults_at_fields,
    filter_of,
    listed,
    storage_meta,
)
from shoal.http.studio.common import read_body, without_nulls
from shoal.http.studio.errors import fault, invalid
from shoal.http.studio.search_types import PayloadCount, PayloadSearch, SimilaritySearch, SortByIn
from shoal.model.bindings import Family, Field
from shoal.model.payload_order import SortBy, check_sort_by
from shoal.model.templates import text_of
from shoal.services.collections.opening import OpenCollection, open_blue
from shoal.services.collections.pages import FoundObject, FoundPage, Wanted
from shoal.services.collections.payloads import count_by_payload, find_by_payload
from shoal.services.collections.search import find_nearest

_NOT_COMPARED = 1.0
"""The distance of what was found without comparing anything, as in the original."""


def similarity_search(context: Context) -> Response:
    """Find the objects nearest to a text; without one, those that pass the filter."""
    asked = read_body(SimilaritySearch, context)
    with faults_at_fields("search_query"):
        wanted = _wanted(asked)
        if asked.search_query is None:
            collection = _blue(context)
            page = FoundPage((), None, collection.version)
            if wanted.filter is not None:
                page = find_by_payload(context.searcher, collection, wanted)
            return _answer(asked, page)
        if asked.similarity_first:  # the nearest first is what there is without an order of the caller's
            wanted = Wanted(
                wanted.limit, wanted.offset, wanted.max_distance, wanted.filter, None, wanted.user_id
            )
        with counted(context):
            collection = _blue(context)
            text = _text(asked.search_query, collection)
            if collection.snapshot is None:
                return _answer(asked, FoundPage((), None, 0))
            vector = context.embedder.query(context.principal.tenant_id, collection.binding.model_id, text)
            page = find_nearest(context.searcher, collection, vector, wanted)
            return _answer(asked, page)


def payload_search(context: Context) -> Response:
    """Find the objects that pass a filter; all of them without one."""
    asked = read_body(PayloadSearch, context)
    with faults_at_fields("search_query"):
        wanted = _wanted(asked)
        page = find_by_payload(context.searcher, _blue(context), wanted)
        return _answer(asked, page)


def payload_count(context: Context) -> Response:
    """Count the objects that pass a filter, or all of them."""
    asked = read_body(PayloadCount, context)
    with faults_at_fields("search_query"):
        condition = filter_of(asked.filter)
        collection = _blue(context)
        count = count_by_payload(collection, condition)
    return json_response(200, {"total_count": count}, {VERSION_HEADER: str(collection.version)})


def _blue(context: Context) -> OpenCollection:
    return open_blue(context.searcher, context.principal.tenant_id, Family.ITEMS)


def _wanted(asked: PayloadSearch) -> Wanted:
    offset = asked.offset or 0
    check_reach(offset, asked.limit)
    return Wanted(
        limit=asked.limit,
        offset=offset,
        max_distance=asked.max_distance,
        filter=filter_of(asked.filter),
        sort_by=_sort_by(asked.sort_by),
        user_id=asked.user_id,
    )


def _sort_by(asked: SortByIn | None) -> SortBy | None:
    if asked is None:
        return None
    return check_sort_by(SortBy(asked.field, asked.order == "desc", asked.force_not_payload))


def _text(query: Any, collection: OpenCollection) -> str:
    """What to embed: a text, or an object in the same way as those of the collection."""
    if isinstance(query, str):
        return query
    if isinstance(query, dict):
        return text_of(query, collection.binding.template)
    raise invalid([fault("search_query_type", ["body", "search_query"], "Input should be text or an object")])


def _answer(asked: PayloadSearch, page: FoundPage) -> Response:
    def body(results: list[orjson.Fragment]) -> dict[str, Any]:
        session_id = (asked.session_id or str(uuid4())) if asked.create_session else None
        return {"search_results": results} | without_nulls(
            {
                "next_page_offset": page.next_offset,
                "session_id": session_id,
                "total_count": page.total,
                "meta_info": asked.meta_info,
                "partial": page.partial or None,
            }
        )

    return listed([_shown(each) for each in page.objects], body, page.version)


def _shown(found: FoundObject) -> dict[str, Any]:
    distance = found.place.distance
    return without_nulls(
        {
            "object_id": found.place.object_id,
            "distance": _NOT_COMPARED if distance is None else distance,
            "payload": found.metadata.get(Field.PAYLOAD),
            "meta": storage_meta(found.metadata),
        }
    )
