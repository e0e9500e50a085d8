"""What the searches of this dialect share: counting them, errors that name a field, answers that fit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from shoal.errors import InvalidInput, ModelError, RequestError
from shoal.http.context import Context
from shoal.http.response import Response, fits, json_response, weight
from shoal.http.studio.errors import fault, invalid
from shoal.model.bindings import MAX_REACH, Field
from shoal.model.filters import Filter
from shoal.model.studio_filters import parse_studio_filter
from shoal.services import quotas
from shoal.services.collections.pages import fitting, too_large

VERSION_HEADER = "x-shoal-version"
_FIELD_OF = {
    "too_many_to_sort": ("sort_by",),
    "invalid_sort": ("sort_by", "field"),
    "filter_not_indexed": ("filter",),
    "too_many_copies": ("user_id",),
    "dimension_mismatch": ("query_vector",),
    "zero_vector": ("query_vector",),
}
_OF_THE_TEXT = ("text_without_tokens", "text_too_long", "invalid_text", "payload_too_deep")
_NAMED_BY_DETAILS = ("response_too_large", "too_much_to_read")
"""Errors whose details are the field with the number that fits."""


@contextmanager
def counted(context: Context) -> Iterator[None]:
    """Count a query of the tenant's day: before the work, and given back where there was none."""
    quotas.charge_query(context.ports, context.principal)
    try:
        yield
    except (RequestError, ModelError):
        quotas.refund_query(context.ports, context.principal)
        raise


@contextmanager
def faults_at_fields(text_field: str) -> Iterator[None]:
    """Have what is wrong told at the field where it is; `text_field` is the one whose text is embedded.

    Raises:
        InvalidInput: for another one of a service.
    """
    try:
        yield
    except InvalidInput as error:
        details = error.details or {}
        if "faults" in details:
            raise
        field = _FIELD_OF.get(error.code, ())
        if error.code in _NAMED_BY_DETAILS:
            field = tuple(details)
        if error.code in _OF_THE_TEXT:
            field = (text_field,)
        message = error.message
        if error.code == "filter_not_indexed":  # which here no request can allow for
            message = _not_indexed(details["paths"])
        loc = details.get("loc", field)
        raise invalid([fault(error.code, ["body", *loc], message)]) from error


def _not_indexed(paths: Sequence[str]) -> str:
    fields = ", ".join(path.removeprefix(f"{Field.PAYLOAD}.") for path in paths)
    return (
        f"the search had to end before it had found enough, as no index covers {fields}; choose fewer objects by "
        "other fields beside"
    )


def filter_of(value: object) -> Filter | None:
    """The filter of a request.

    Raises:
        InvalidInput: `invalid_filter`, at its place.
    """
    return None if value is None else parse_studio_filter(value)


def check_reach(offset: int, limit: int) -> None:
    """See that a page is not too far behind.

    Raises:
        InvalidInput: names the offset.
    """
    if offset + limit > MAX_REACH:
        message = f"offset and limit reach over {MAX_REACH} objects together at most; narrow the search"
        raise invalid([fault("out_of_reach", ["body", "offset"], message)])


def storage_meta(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was stored beside a payload: as a task brings it, or as it was written with vectors."""
    found: dict[str, Any] | None = metadata.get(Field.STORAGE)
    return metadata.get(Field.INFO) if found is None else found


def listed(
    shown: Sequence[dict[str, Any]],
    body: Callable[[list[orjson.Fragment]], dict[str, Any]],
    version: int,
    *,
    name: str = "limit",
) -> Response:
    """An answer with a list; `body` puts the list where it belongs.

    Raises:
        InvalidInput: `response_too_large`; says which limit (the field `name`) fits.
    """
    written = [orjson.dumps(each, option=orjson.OPT_SERIALIZE_NUMPY) for each in shown]
    answer = json_response(
        200, body([orjson.Fragment(each) for each in written]), {VERSION_HEADER: str(version)}
    )
    if not fits(answer.body):
        envelope = weight(orjson.dumps(body([])))
        raise too_large(fitting((weight(each) for each in written), envelope=envelope), name=name)
    return answer
