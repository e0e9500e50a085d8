"""Reads by id: one vector, or up to 1,000 at once."""

from typing import Any

import orjson

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.native.common import flag, json_object, parse_body, parse_fields, record_id
from shoal.http.native.places import Place, in_body, in_path
from shoal.http.native.types import FetchIn, FetchNamed
from shoal.http.response import Response, fits, json_response
from shoal.model.queries import Match
from shoal.services.fetch import Fetched, fetch


def get(context: Context) -> Response:
    """Show one vector, with its values where `include_values=true`, its document where `include_document=true`."""
    wanted = record_id(context)
    found = _fetch(
        context,
        in_path(context),
        [wanted],
        include_values=flag(context, "include_values"),
        include_document=flag(context, "include_document"),
    )
    if not found.records:
        raise NotFound("not_found", "vector not found")
    return json_response(200, record_body(found.records[0]))


def fetch_many(context: Context) -> Response:
    """Show the vectors of a list of ids."""
    return _fetched(context, in_path(context), parse_body(FetchIn, context.body()))


def fetch_named(context: Context) -> Response:
    """Show the vectors of a list of ids; the dataset is named in the body."""
    fields = json_object(context.body())
    return _fetched(context, in_body(fields), parse_fields(FetchNamed, fields))


def _fetched(context: Context, place: Place, wanted: FetchIn) -> Response:
    found = _fetch(
        context,
        place,
        wanted.ids,
        include_values=wanted.include_values,
        include_document=wanted.include_document,
    )
    shown = len(found.records)
    while True:
        left_out = tuple(record.id for record in found.records[shown:])
        body = {
            "vectors": [record_body(record) for record in found.records[:shown]],
            "missing_ids": found.missing_ids,
            "unprocessed_ids": left_out + found.unprocessed_ids,
        }
        response = json_response(200, body)
        if fits(response.body) or shown <= 1:
            return response
        shown = shown * 3 // 4  # the escapes of the gateway's envelope made it outgrow the service's estimate


def _fetch(
    context: Context, place: Place, ids: list[str], *, include_values: bool, include_document: bool
) -> Fetched:
    return fetch(
        context.searcher,
        context.principal.tenant_id,
        scope=place.scope,
        name=place.name,
        ids=ids,
        include_values=include_values,
        include_document=include_document,
    )


def record_body(record: Match) -> dict[str, Any]:
    """A record as JSON: what was not asked for, or is not there, is left out."""
    body: dict[str, Any] = {"id": record.id, "metadata": orjson.Fragment(record.metadata)}
    if record.namespace:
        body["namespace"] = record.namespace
    if record.document:
        body["document"] = record.document.decode()
    if record.values is not None:
        body["embedding"] = record.values
    return body
