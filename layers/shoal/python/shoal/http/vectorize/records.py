"""Reads: vectors by their ids, and the list of all ids."""

from typing import Any

import orjson

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.response import Response, fits
from shoal.http.vectorize.common import body_of, check_ids, index_of, timestamp
from shoal.http.vectorize.envelope import BAD_BODY, Fault, success
from shoal.http.vectorize.mutations import Ids
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.limits import MANIFEST_KEPT_SECONDS, MAX_LIST
from shoal.model.queries import Match
from shoal.model.selection import Selection
from shoal.services.fetch import fetch
from shoal.services.listing import ListRequest, list_records

_DEFAULT_COUNT = 100
_ASKED = b"vectorize"


def get_by_ids(context: Context) -> Response:
    """Show vectors with their values; ids that do not exist are left out."""
    dataset = index_of(context)
    wanted = body_of(context, Ids)
    check_ids(wanted.ids, most=context.deps.vectorize.max_ids)
    found = fetch(
        context.searcher,
        dataset.tenant_id,
        scope=NATIVE_SCOPE,
        name=dataset.name,
        ids=wanted.ids,
        include_values=True,
    )
    response = success([_record(record) for record in found.records])
    if found.unprocessed_ids or not fits(response.body):
        raise Fault(
            400, 40007, f"the answer would be too large; ask for fewer than {len(wanted.ids)} ids at once"
        )
    return response


def list_ids(context: Context) -> Response:
    """A page of all ids, of the version that the first page was read from."""
    dataset = index_of(context)
    count = _count(context)
    request = ListRequest(Selection(), _ASKED, count, context.request.first("cursor") or None)
    try:
        page = list_records(
            context.ports,
            context.searcher,
            dataset.tenant_id,
            scope=NATIVE_SCOPE,
            name=dataset.name,
            request=request,
        )
    except InvalidInput as error:
        raise Fault(400, BAD_BODY, error.message) from error
    expires = None if page.cursor is None else timestamp(page.pinned_at + MANIFEST_KEPT_SECONDS)
    return success(
        {
            "count": len(page.records),
            "totalCount": page.total,
            "isTruncated": page.cursor is not None,
            "nextCursor": page.cursor,
            "cursorExpirationTimestamp": expires,
            "vectors": [{"id": record.id} for record in page.records],
        }
    )


def _count(context: Context) -> int:
    text = context.request.first("count")
    if text is None:
        return _DEFAULT_COUNT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MAX_LIST:
        raise Fault(400, BAD_BODY, f"count must be between 1 and {MAX_LIST}")
    return int(text)


def _record(record: Match) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": record.id, "values": record.values}
    if record.namespace:
        shown["namespace"] = record.namespace
    if record.metadata != b"{}":
        shown["metadata"] = orjson.Fragment(record.metadata)
    return shown
