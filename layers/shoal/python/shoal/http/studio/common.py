"""What the modules of this dialect share: bodies, times, parameters, models and families."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import ValidationError

from shoal.errors import InvalidInput, NotFound
from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.studio.errors import fault, invalid
from shoal.http.studio.types import StudioBody
from shoal.model.tasks import check_task_id

PREFIX = "/api/v1"
INTERNAL = f"{PREFIX}/internal"
_SHOWN_INPUT = 100
"""Characters of a wrong value that are told again."""
NULL = Response(200, b"null")
"""What the original answers to calls that only do something."""


def timestamp(seconds: float) -> str:
    """Epoch seconds as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def without_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value: null ones are left out, as by the original server."""
    return {name: value for name, value in fields.items() if value is not None}


def read_body[T: StudioBody](kind: type[T], context: Context) -> T:
    """The request's body as one of our types.

    Raises:
        InvalidInput: with all that is wrong.
        TooLarge: `payload_too_large`.
    """
    return parse_body(kind, context.body())


def parse_body[T: StudioBody](kind: type[T], data: bytes) -> T:
    """A body as one of our types.

    Raises:
        InvalidInput: with all that is wrong.
    """
    if not data.strip():
        raise invalid([fault("missing", ["body"], "Field required")])
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        broken = fault("json_invalid", ["body", error.pos], "JSON decode error")
        raise invalid([{**broken, "ctx": {"error": error.msg}}]) from None
    return parse_fields(kind, value)


def parse_fields[T: StudioBody](kind: type[T], value: Any, *, where: str = "body") -> T:
    """A JSON value as one of our types.

    Raises:
        InvalidInput: with all that is wrong.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise invalid([_told(each, where) for each in error.errors(include_url=False)]) from None


def _told(found: Mapping[str, Any], where: str) -> dict[str, Any]:
    told = fault(found["type"], [where, *found["loc"]], found["msg"])
    given = found.get("input")
    # Documents and lists are left out: whoever sent them has them.
    if isinstance(given, int | float | bool) or (isinstance(given, str) and len(given) <= _SHOWN_INPUT):
        told["input"] = given
    return told


def required(context: Context, name: str) -> str:
    """A query parameter that has to be there.

    Raises:
        InvalidInput: it is not.
    """
    value = context.request.first(name)
    if value is None:
        raise invalid([fault("missing", ["query", name], "Field required")])
    return value


def possible_id(task_id: str) -> str:
    """The id of a task, where a task can have it.

    Raises:
        NotFound: code `task_not_found`.
    """
    try:
        return check_task_id(task_id)
    except InvalidInput as error:
        raise NotFound("task_not_found", f"Task with ID `{task_id:.{_SHOWN_INPUT}}` not found") from error
