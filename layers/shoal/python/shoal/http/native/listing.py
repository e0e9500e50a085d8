"""Lists and counts of records, and the figures of a dataset."""

from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import (
    flag,
    json_object,
    optional_timestamp,
    parse_body,
    parse_fields,
)
from shoal.http.native.datasets import recall_body
from shoal.http.native.fetch import record_body
from shoal.http.native.listing_types import DatasetNamed, ListIn, ListNamed, SelectionIn, SelectionNamed
from shoal.http.native.places import Place, in_body, in_path
from shoal.http.response import Response, fits, json_response
from shoal.model.filters import parse_filter
from shoal.model.limits import MAX_LIST
from shoal.model.selection import Selection
from shoal.services.listing import ListRequest, count_records, list_records
from shoal.services.stats import dataset_stats


def list_by_query(context: Context) -> Response:
    """A page of records; what is asked for is in the query string, the filter as JSON."""
    fields = _selection_fields(context)
    limit = context.request.first("limit")
    if limit is not None:
        fields["limit"] = _whole(limit)
    cursor = context.request.first("cursor")
    if cursor is not None:
        fields["cursor"] = cursor
    for name in ("include_values", "include_document"):
        fields[name] = flag(context, name)
    return _list(context, in_path(context), parse_fields(ListIn, fields))


def list_by_body(context: Context) -> Response:
    """A page of records; what is asked for is in the body, for filters that an address cannot hold."""
    return _list(context, in_path(context), parse_body(ListIn, context.body()))


def list_named(context: Context) -> Response:
    """A page of records of the dataset that the body names."""
    fields = json_object(context.body())
    return _list(context, in_body(fields), parse_fields(ListNamed, fields))


def count_by_query(context: Context) -> Response:
    """How many records there are, or pass; what is asked for is in the query string, the filter as JSON."""
    return _count(context, in_path(context), parse_fields(SelectionIn, _selection_fields(context)))


def count_by_body(context: Context) -> Response:
    """How many records there are, or pass; what is asked for is in the body."""
    body = context.body()
    wanted = parse_fields(SelectionIn, json_object(body) if body.strip() else {})
    return _count(context, in_path(context), wanted)


def count_named(context: Context) -> Response:
    """How many records there are, or pass, in the dataset that the body names."""
    fields = json_object(context.body())
    return _count(context, in_body(fields), parse_fields(SelectionNamed, fields))


def stats(context: Context) -> Response:
    """The figures of a dataset."""
    return _stats(context, in_path(context))


def stats_named(context: Context) -> Response:
    """The figures of the dataset that the body names."""
    fields = json_object(context.body())
    place = in_body(fields)
    parse_fields(DatasetNamed, fields)
    return _stats(context, place)


def _stats(context: Context, place: Place) -> Response:
    found = dataset_stats(
        context.ports,
        context.searcher,
        context.principal.tenant_id,
        scope=place.scope,
        name=place.name,
    )
    view = found.view
    body = {
        "name": view.dataset.name,
        "status": view.status,
        "version": found.version,
        "row_count": view.head.row_count,
        "stored_rows": found.stored_rows,
        "dead_share": round(found.dead_share, 6),
        "shards": found.shards,
        "deltas": found.deltas,
        "cell_sets": found.cell_sets,
        "cell_shards": found.cell_shards,
        "cells": found.cells,
        "id_index_runs": found.id_index_runs,
        "bytes": found.bytes,
        "vector_bytes": found.vector_bytes,
        "tail_writes": found.tail_writes,
        "tail_bytes": found.tail_bytes,
        "last_compacted_at": optional_timestamp(found.compacted_at),
        "last_indexed_at": optional_timestamp(view.head.last_indexed_at),
        "recall": recall_body(view.head.recall),
    }
    return json_response(200, body)


def _list(context: Context, place: Place, wanted: ListIn) -> Response:
    if wanted.limit < 1:
        raise InvalidInput("invalid_limit", f"limit must be between 1 and {MAX_LIST}")
    limit = min(wanted.limit, MAX_LIST)
    while True:
        request = ListRequest(
            _selection(wanted),
            _asked(wanted),
            limit,
            wanted.cursor,
            include_values=wanted.include_values,
            include_document=wanted.include_document,
        )
        page = list_records(
            context.ports,
            context.searcher,
            context.principal.tenant_id,
            scope=place.scope,
            name=place.name,
            request=request,
        )
        body = {
            "vectors": [record_body(record) for record in page.records],
            "next_cursor": page.cursor,
            "version": page.version,
        }
        response = json_response(200, body, {"x-shoal-version": str(page.version)})
        if fits(response.body) or len(page.records) <= 1:
            return response
        # The escapes of the gateway's envelope made it outgrow the service's estimate.
        limit = len(page.records) * 3 // 4


def _count(context: Context, place: Place, wanted: SelectionIn) -> Response:
    count, version = count_records(
        context.searcher,
        context.principal.tenant_id,
        scope=place.scope,
        name=place.name,
        selection=_selection(wanted),
    )
    return json_response(200, {"count": count, "version": version}, {"x-shoal-version": str(version)})


def _selection_fields(context: Context) -> dict[str, Any]:
    """What of the query string says which records are meant."""
    fields: dict[str, Any] = {}
    for name in ("prefix", "namespace"):
        text = context.request.first(name)
        if text is not None:
            fields[name] = text
    text = context.request.first("filter")
    if text:
        try:
            fields["filter"] = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise InvalidInput("invalid_filter", "filter must be valid JSON") from None
        if not isinstance(fields["filter"], dict):
            raise InvalidInput("invalid_filter", "filter must be an object")
    return fields


def _selection(wanted: SelectionIn) -> Selection:
    """Which records are meant.

    Raises:
        InvalidInput: `invalid_filter` (contract: lists have a code of their own for it).
    """
    condition = None
    if wanted.filter:
        try:
            condition = parse_filter(wanted.filter)
        except InvalidInput as error:
            raise InvalidInput("invalid_filter", error.message) from None
    return Selection(namespace=wanted.namespace, prefix=wanted.prefix or None, filter=condition)


def _asked(wanted: SelectionIn) -> bytes:
    """What a cursor holds for."""
    asked = [wanted.namespace, wanted.prefix or None, wanted.filter or None]
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # int() also takes " 5", "+5" and "1_0"
        raise InvalidInput("invalid_limit", f"limit must be between 1 and {MAX_LIST}")
    return int(text)
